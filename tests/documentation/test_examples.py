"""Every example of the documentation site is run: the Python ones as doctests, the commands in this process."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([DOCS / "getting-started.md", DOCS / "tasks.md", *(DOCS / "questions").glob("*.md")])
NAMED_FILE = re.compile(r"`(\w+\.toml)`:?\n\n```toml\n(.*?)```", flags=re.DOTALL)  # "This is `grid.toml`:" and its text


def names(path):
    return str(path.relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_python_examples(page):
    text = page.read_text()
    results = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted == len(re.findall(r"^>>> ", text, flags=re.MULTILINE))
    assert results.failed == 0


def commands(text):
    """Return the commands of a page in order, with what they print; None where the page does not show it."""
    found = []
    for kind, block in re.findall(r"```(console|sh)\n(.*?)```", text, flags=re.DOTALL):
        if kind == "console":
            found += re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
        else:
            found += [(line, None) for line in block.splitlines() if line.startswith("neurondeath ")]
    return found


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_commands(page, tmp_path, monkeypatch, capsys):
    text = page.read_text()
    monkeypatch.chdir(tmp_path)
    for name, content in NAMED_FILE.findall(text):
        (tmp_path / name).write_text(content)
    for command, expected in commands(text):
        program, *arguments = shlex.split(command)
        assert program == "neurondeath"
        code = run(command_line(program, COMMANDS, help=""), program, arguments)
        captured = capsys.readouterr()
        assert code == 0, captured.err
        if expected is not None:
            assert [row.rstrip() for row in captured.out.splitlines()] == expected.splitlines(), command


def test_pages_have_examples():
    texts = [page.read_text() for page in PAGES]
    assert sum(len(commands(text)) for text in texts) >= 12
    assert sum(text.count("\n>>> ") for text in texts) >= 40
    for page, text in zip(PAGES, texts, strict=True):
        assert ">>> " in text or page.name == "index.md"
