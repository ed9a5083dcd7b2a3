"""The examples of the pages on sparse autoencoders and on `lint` are run."""

import doctest
import re
from pathlib import Path

import pytest

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run

QUESTIONS = Path(__file__).parents[2] / "docs" / "questions"


@pytest.mark.parametrize("page", ["sparse-autoencoders.md", "lint.md"])
def test_python_examples(page):
    path = QUESTIONS / page
    results = doctest.testfile(str(path), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted == path.read_text().count("\n>>> ")
    assert results.failed == 0


def test_commands(capsys):
    text = (QUESTIONS / "lint.md").read_text()
    examples = re.findall(r"```console\n\$ neurondeath ([^\n]*)\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 2
    for command, expected in examples:
        assert run(command_line(root.NAME, COMMANDS, help=root.HELP), root.NAME, command.split()) == 0
        assert capsys.readouterr().out == expected
