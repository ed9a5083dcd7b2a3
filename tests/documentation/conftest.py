"""The generators of the site's pages, which need no Sphinx."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="package")
def pages():
    """Return all generated pages, without pictures: path below `docs/generated` -> text."""
    sys.path.insert(0, str(DOCS))
    try:
        from generators.writing import all_pages

        return all_pages(DOCS / "no pictures")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="package")
def sources(pages):
    """Return all pages of the site: path below `docs` -> text."""
    written = {
        str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
        for path in DOCS.rglob("*.md")
        if not {"_build", "generated"} & set(path.relative_to(DOCS).parts)
    }
    return written | {f"generated/{name}": text for name, text in pages.items()}
