"""Formulas of the site as MathML, which browsers show without a script or a network."""

import re
from typing import Any

from latex2mathml.converter import convert

__all__ = ["MATHML", "formula", "setup"]

MATHML = "mathml"
TEXT = re.compile(r"(\\text\{[^{}]*\})")


def formula(latex: str, *, display: bool) -> str:
    """Return a LaTeX formula as MathML."""
    text = " ".join(latex.split())
    for size in (r"\big", r"\Big", r"\bigl", r"\bigr", r"\Bigl", r"\Bigr"):  # fences grow by themselves in MathML
        for fence in "()[]|":
            text = text.replace(f"{size}{fence}", fence)
    parts = TEXT.split(text)
    for index in range(0, len(parts), 2):
        for primes, sign in (("''", "\N{DOUBLE PRIME}"), ("'", "\N{PRIME}")):  # of full size, not as an exponent
            parts[index] = parts[index].replace(primes, rf"\text{{{sign}}}")
    return convert("".join(parts), display="block" if display else "inline")


def _inline(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(formula(node.astext(), display=False))
    raise SkipNode


def _display(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="formula">{formula(node.astext(), display=True)}</div>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer(MATHML, (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
