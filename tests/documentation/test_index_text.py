"""The text of the package on an index: the README without what leads nowhere there."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_link_and_no_picture_of_the_checkout_is_left():
    index_text = runpy.run_path(str(ROOT / "hatch_build.py"))["index_text"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = index_text(readme)
    assert "](docs/" in readme
    assert re.findall(r"\]\((?!https?:)[^)]*\)", text) == []
    assert "![" not in text
    assert "glossary, architecture, contributing, changes" in text
    assert "[arXiv 2007.06192](https://arxiv.org/abs/2007.06192)" in text
    assert text.count("```") == readme.count("```")
    assert len(text) > 0.9 * len(readme)
