"""Texts of the project as Markdown, without markup by accident."""

__all__ = ["escaped"]

MARKS = "\\*_<>[]{}$|"


def escaped(text: str) -> str:
    """Return a text in which Markdown sees no markup but code in backticks, on one line."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:  # a lone backtick
        return escaped(text.replace("`", "'"))
    for index in range(0, len(parts), 2):
        parts[index] = "".join(f"\\{letter}" if letter in MARKS else letter for letter in parts[index])
    return "`".join(parts)
