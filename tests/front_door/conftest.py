"""Command lines in this process, in an empty folder."""

import pytest

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run


@pytest.fixture
def caller(capsys, tmp_path, monkeypatch):
    """Return a maker, program name -> function that runs a line and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def caller(program, help=""):
        app = command_line(program, COMMANDS, help=help)

        def call(line):
            code = run(app, program, line.split())
            captured = capsys.readouterr()
            return code, captured.out, captured.err

        return call

    return caller
