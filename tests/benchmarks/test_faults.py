"""A short epoch through faults of every kind, from end to end; all that the benchmark compares must be right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and sockets are counted in Linux's /proc")
def test_an_epoch_with_sixty_faults_is_the_epoch_without(tmp_path):
    options = ["--faults", "60", "--hidden", "128", "--batch", "128", "--json", str(tmp_path / "faults.json")]
    done = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "faults.json").read_text())
    assert all(result["right"].values())
    assert result["faults_total"] == 60
    assert "link lost" in result["told"]
