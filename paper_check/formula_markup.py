"""LaTeX formulas as MathML for a page: only elements and attributes that cannot act leave this file.

The formula may come from anyone's claims file, and the converter passes text, links, styles and classes through. Its
tree is therefore written again, element by element, from a list of what is allowed; a formula that needs anything else
is shown as its source.
"""

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any

from latex2mathml.converter import convert_to_element

from neurondeath_theory.foundation.visible_text import visible

__all__ = ["formula_markup"]

MOST_CHARACTERS = 2000
DEEPEST = 60  # elements within each other; browsers stop at some hundreds
LARGEST_MARKUP = 200_000  # characters
# Elements of MathML Core that hold numbers, names, operators and layout. Not among them: semantics, annotation and
# annotation-xml (which may hold HTML), maction, mglyph, and every element of HTML and SVG.
ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        """
    math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext
    mtr munder munderover
""",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\w+",
        """
    accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form height
    linethickness lspace mathcolor mathvariant maxsize minsize movablelimits rowalign rowlines rowspacing rspace
    scriptlevel separator stretchy symmetric voffset width
""",
    )
)
WORD, LENGTH = r"[A-Za-z-]{1,30}", r"[+-]?\d{0,3}(?:\.\d{0,6})?[a-z%]{0,3}"  # no colon, bracket, quote or slash
VALUE = re.compile(f"(?:{WORD}|{LENGTH})(?: (?:{WORD}|{LENGTH})){{0,19}}|#[0-9A-Fa-f]{{3,8}}")
DEFINITION = re.compile(r"\\(?:re)?new(?:command|environment)|\\def|\\let|\\provide|\\Declare")
SYMBOL = re.compile(r"&#x[0-9A-Fa-f]{1,6};")  # how the converter writes a symbol


class _NotAllowedError(Exception):
    """The converter returned an element, an attribute or a size that is not allowed."""


def formula_markup(latex: str) -> str:
    r"""Typeset a LaTeX formula as MathML, or return its source if that fails or needs more than plain MathML.

    Parameters
    ----------
    latex : str
        The formula, from any source.

    Returns
    -------
    str
        HTML: a `math` element of the elements and attributes above, or a `code` element with the source.

    Examples
    --------
    >>> formula_markup("x^2")
    '<math display="block"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    >>> formula_markup(r"\href{javascript:alert(1)}{x}")
    '<code>\\href{javascript:alert(1)}{x}</code>'
    """
    source = f"<code>{escape(visible(latex[:MOST_CHARACTERS]))}</code>"
    if len(latex) > MOST_CHARACTERS or DEFINITION.search(latex):  # definitions within definitions grow without bound
        return source
    try:
        markup = "".join(_written(convert_to_element(latex, display="block"), 1))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # the converter may raise anything for an unknown formula
        return source
    return markup if len(markup) <= LARGEST_MARKUP else source


def _written(element: Any, depth: int) -> Iterator[str]:
    """Write an element and what it holds, all of it escaped."""
    name = element.tag
    if name not in ELEMENTS or depth > DEEPEST or (name == "math") != (depth == 1):
        raise _NotAllowedError(name)
    attributes = {key: str(value) for key, value in element.attrib.items() if key != "xmlns"}
    if not all(key in ATTRIBUTES and VALUE.fullmatch(value) for key, value in attributes.items()):
        raise _NotAllowedError(attributes)
    yield f"<{name}" + "".join(f' {key}="{escape(value)}"' for key, value in attributes.items()) + ">"
    yield _text(element.text)
    for child in element:
        yield from _written(child, depth + 1)
        yield _text(child.tail)
    yield f"</{name}>"


def _text(text: str | None) -> str:
    return escape(visible(SYMBOL.sub(lambda found: unescape(found.group()), text or "")))
