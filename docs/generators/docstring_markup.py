"""Docstrings as reStructuredText: formulas between dollars are typeset, and plain text has no markup by accident.

Docstrings write `q*`, `|x|` and `he_`, which reStructuredText would read as emphasis, substitution and link, and
formulas as $V(q)$. Examples and code stay as they are.
"""

import re

__all__ = ["marked_up"]

SPANS = re.compile(r"(``.+?``|`[^`]+`(?:__?)?|\$[^$]+\$)", flags=re.DOTALL)
BOLD = re.compile(
    r"(?<!\w)\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)|(?<![\w*])\*(?=[A-Za-z])([^*\n]+?)(?<=[A-Za-z.])\*(?![\w*])"
)
BLOCK = re.compile(r"^\s*(>>>|\.\.\s)")


def marked_up(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText."""
    result: list[str] = []
    prose: list[str] = []
    in_block = False
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).split("\n")  # a type that is continued with a backslash
    for line in [*joined, ""]:
        in_block = bool(line.strip()) and (in_block or bool(BLOCK.match(line)))
        if in_block or not line.strip():
            result += _escaped(prose)
            prose = []
            result.append(line)
        else:
            prose.append(line)
    return result[:-1]


def _escaped(lines: list[str]) -> list[str]:
    if not lines:
        return []
    parts = SPANS.split("\n".join(lines))
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = _plain(part)
        elif part.startswith("$"):
            formula = " ".join(part[1:-1].split())
            before = parts[index - 1]
            joint = "" if not before or before[-1].isspace() or before[-1] in "([" else "\\ "
            after = parts[index + 1] if index + 1 < len(parts) else ""
            parts[index] = f"{joint}:math:`{formula}`" + ("\\ " if re.match(r"\w", after) else "")
    return "".join(parts).split("\n")


def _plain(text: str) -> str:
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return "\0"

    text = BOLD.sub(keep, text)
    text = re.sub(r"([*|])", r"\\\1", text)
    text = re.sub(r"(?<=\w)_(?![\w])", r"\\_", text)
    for each in kept:
        text = text.replace("\0", each, 1)
    return text
