"""Every example of the README is run: the Python ones as doctests, the commands in a shell."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_python_examples():
    results = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted >= 18
    assert results.failed == 0


def test_commands(tmp_path):
    text = README.read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    examples = [
        example
        for block in blocks
        for example in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
    ]
    assert len(examples) >= 5
    (experiment,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "experiment.toml").write_text(experiment)
    for command, expected in examples:
        line = command.replace("neurondeath ", f"{sys.executable} -m neurondeath ", 1)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path, check=True)
        assert [row.rstrip() for row in done.stdout.splitlines()] == expected.splitlines(), command


def test_setup_commands_exist():
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README.read_text(), flags=re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_picture_is_there():
    for picture in re.findall(r"\]\((docs/[^)]+)\)", README.read_text()):
        assert (README.parent / picture).stat().st_size > 10_000
