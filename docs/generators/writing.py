"""Write all generated pages below `docs/generated`, which git ignores, and remove those that are no longer made."""

import sys
from pathlib import Path

from generators.api_pages import api_pages
from generators.benchmark_page import benchmark_page
from generators.citing_page import citing_page
from generators.claims_page import claims_page
from generators.command_pages import command_pages
from generators.configuration_page import configuration_page
from generators.gallery_page import PICTURES, draw_pictures, gallery_page
from generators.module_headers import header_pages
from generators.sources_page import sources_page

__all__ = ["all_pages", "write_pages"]


def all_pages(pictures: Path) -> dict[str, str]:
    """Return every generated page: path below `docs/generated` -> text."""
    return {
        **api_pages(),
        **benchmark_page(),
        **citing_page(),
        **claims_page(),
        **command_pages(),
        **configuration_page(),
        **gallery_page(pictures),
        **header_pages(),
        **sources_page(),
    }


def write_pages(folder: Path) -> None:
    """Draw the figures and write the pages; a page that is the same keeps its time, so that it is not read again."""
    print("drawing the figures of the gallery", file=sys.stderr)
    draw_pictures(folder / PICTURES)
    pages = all_pages(folder / PICTURES)
    for path in folder.rglob("*"):
        if path.suffix in (".md", ".rst") and str(path.relative_to(folder)) not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
