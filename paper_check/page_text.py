"""Text and anchors of a page, from texts that may be anyone's."""

from html import escape
from typing import Any

from neurondeath_theory.foundation.visible_text import visible

__all__ = ["anchor", "page_text"]


def page_text(value: Any) -> str:
    """Return a value as text of a page: one line, nothing invisible, no markup.

    Examples
    --------
    >>> page_text("a <b>")
    'a &lt;b&gt;'
    """
    return escape(visible(" ".join(str(value).split())))


def anchor(text: str) -> str:
    """Make an HTML id from a name; different names remain different.

    Examples
    --------
    >>> anchor("R1"), anchor("a b")
    ('R1', 'a_20_b')
    """
    return "".join(char if char.isascii() and (char.isalnum() or char in "-.") else f"_{ord(char):x}_" for char in text)
