"""The examples of the page on sparse autoencoders are run."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "questions" / "sparse-autoencoders.md"


def test_python_examples():
    results = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted >= 20
    assert results.failed == 0
