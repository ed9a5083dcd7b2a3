"""Text from files and arguments made harmless for a terminal: control characters are escaped."""

import unicodedata

__all__ = ["visible"]

INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode categories: controls, formats, surrogates, separators of lines


def visible(text: str) -> str:
    r"""Escape what could move the cursor, break a line or reorder text on a terminal.

    Examples
    --------
    >>> print(visible("two\nlines, \x1b[31mred"))
    two\nlines, \x1b[31mred
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if unicodedata.category(letter) in INVISIBLE else letter
        for letter in text
    )
