"""Docstrings as reStructuredText: formulas typeset, no markup by accident, examples untouched."""

from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def marked_up(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return import_module("generators.docstring_markup").marked_up


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The slope V'(q*) at q*.", r"The slope V'(q\*) at q\*."),
        ("Mean of |x| in he_ and `he_`.", r"Mean of \|x\| in he\_ and `he_`."),
        ("With $V(q) = q$ it holds.", "With :math:`V(q) = q` it holds."),
        ("**Bold** and *slanted* stay.", "**Bold** and *slanted* stay."),
        ("x_l and sigma_w2 stay.", "x_l and sigma_w2 stay."),
        ("    the sum $a +\n    b$ of both\n    lines", "    the sum :math:`a + b` of both\n    lines"),
        (">>> a * b | c_\n1*\n\nq*", ">>> a * b | c_\n1*\n\nq\\*"),
        ('init : {"a", \\\n"b"}', 'init : {"a", "b"}'),
    ],
)
def test_texts(marked_up, text, expected):
    assert "\n".join(marked_up(text.split("\n"))) == expected
