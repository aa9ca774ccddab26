"""Importing openopu loads nothing optional, and next to nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import opu


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(sorted(m.partition('.')[0] for m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(result.stdout.splitlines()[-1]))


def test_import_opu_loads_no_optional_library():
    assert not modules_after("import opu") & {
        "numpy",
        "array_api_compat",
        "scipy",
        "sklearn",
        "matplotlib",
        "torch",
        "cupy",
        "typer",
        "pydantic",
    }


def test_the_command_line_loads_only_what_help_needs():
    assert not modules_after("import opu.cli") & {
        "numpy",
        "array_api_compat",
        "scipy",
        "sklearn",
        "matplotlib",
        "pydantic",
    }


def test_using_an_opu_loads_no_training_extra():
    used = "import opu; o = opu.open('sim', n_inputs=4, n_outputs=8); o.linear_transform([1, 0, 0, 1]); o.close()"
    assert not modules_after(used) & {"sklearn", "matplotlib", "torch", "cupy"}


def test_every_public_name_is_there():
    for name in opu.__all__:
        assert getattr(opu, name).__name__ == name
    assert set(opu.__all__) < set(dir(opu))
    source = ast.parse(Path(opu.__file__).read_text())
    typed = {
        alias.asname
        for node in ast.walk(source)
        if isinstance(node, ast.If)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom)
        for alias in inner.names
        if alias.asname
    }
    assert typed == set(opu.__all__)
