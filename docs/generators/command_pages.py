"""The command-line reference: the help pages of all commands, and which of their options go together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from generators.markdown import escaped
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line
from neurondeath.commands.option_rules import OptionRules
from neurondeath.commands.rule_table import RULES

__all__ = ["command_pages"]

PROGRAM = "neurondeath"
FOLDER = "reference/commands"


def command_pages() -> dict[str, str]:
    """Return the pages: path below `docs/generated` -> text."""
    group = typer.main.get_command(command_line(PROGRAM, COMMANDS, help=""))
    outer = group.make_context(PROGRAM, [], resilient_parsing=True)
    pages = {}
    for name in COMMANDS:
        command = group.get_command(outer, name)
        page = _Page(f"{PROGRAM} {name}")
        if other := COMMANDS[name].alias_of:
            page.lines += [f"The earlier name of [{PROGRAM} {other}]({other}.md).", ""]
        command.format_help(command.context_class(command, info_name=name, parent=outer), page)
        pages[f"{FOLDER}/{name}.md"] = "\n".join(
            [*page.lines, *_rules(RULES.get(COMMANDS[name].alias_of or name, OptionRules())), ""]
        )
    return pages


class _Page:
    """Writes a help page as Markdown; it has the methods of the formatter of the command core."""

    def __init__(self, title: str) -> None:
        self.lines = [f"# {title}", ""]

    def write_usage(self, program: str, arguments: str = "", prefix: str = "") -> None:
        """Write how the command is called."""
        self.lines += ["```text", f"{program} {arguments}", "```", ""]

    def write_paragraph(self) -> None:
        """Write an empty line."""
        self.lines.append("")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        for paragraph in text.split("\n\n"):
            self.lines += [escaped(paragraph), ""]

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names with their explanations."""
        for name, explanation in rows:
            self.lines += [f"`{name}`", f": {escaped(explanation) or '-'}", ""]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Write a heading above what follows."""
        self.lines += ["", f"## {name}", ""]
        yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        """Leave what follows where it is: Markdown needs no indentation here."""
        yield


def _rules(rules: OptionRules) -> list[str]:
    """Write which options need or exclude others."""
    kinds: tuple[tuple[str, Any], ...] = (
        ("needs one of", rules.needs),
        ("is not used with", rules.excludes),
        ("is used alone or with", rules.alone),
    )
    rows = [
        f"| `{option}` | {verb} | {', '.join(f'`{other}`' for other in others) or '-'} |"
        for verb, table in kinds
        for option, others in table.items()
    ]
    if not rows:
        return []
    head = "A value after an option stands for that option with this value, or with one that begins so."
    return ["## Which options go together", "", head, "", "| option | rule | others |", "|---|---|---|", *rows]
