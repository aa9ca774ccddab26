"""Property tests are judged by what they find, never by how long a busy machine takes; and a command line for tests."""

import os
import sys
import warnings

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Runs a command in this process and in `tmp_path`; returns exit status, standard output and standard error."""
    from opu.cli import main

    monkeypatch.chdir(tmp_path)
    for name in [key for key in os.environ if key.startswith("OPU_")]:
        monkeypatch.delenv(name)

    def run(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["opu", *arguments])
        # main() decides how warnings are shown, for as long as the process lives.
        with warnings.catch_warnings(), pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return run
