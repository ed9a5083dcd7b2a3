"""The examples of docs/methods.md run, and its table has every method."""

import doctest
import re
from pathlib import Path

from neurondeath_torch.training.method_building import METHODS

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_examples_run():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted >= 30
    assert results.failed == 0


def test_every_method_has_a_row_and_an_example():
    text = PAGE.read_text()
    rows = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    classes = {method.__name__ for kind, method in METHODS.items() if kind != "none"}
    assert classes <= set(rows)
    assert all(f"nd.{name}(" in text for name in classes)
