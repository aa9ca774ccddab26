"""What the README tells people to type works."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from opu.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)
COMMANDS = re.findall(r"^    uv run opu (.*?)(?:\s+#.*)?$", README, re.M)


@pytest.mark.parametrize("block", PYTHON)
def test_python_blocks_run(block, capsys):
    exec(compile(block, "README.md", "exec"), {})


def test_the_config_is_valid(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", README, re.S)[1])
    result = CliRunner().invoke(app, ["info", "--config", str(path), "--json"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line):
    name, *arguments = shlex.split(line)
    command = get_command(app).commands[name]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_there_is_something_to_test():
    assert (len(PYTHON), len(COMMANDS) > 5) == (2, True)
