"""The built site in a browser, narrow and wide: no error on the console, no picture missing, nothing cut off.

Needs what `make docs` builds, playwright and a chromium of the system; run by `make browser`.
"""

from pathlib import Path

import pytest

from tests.references.browsers import started_browser

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
LEAST_PAGES = 100
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
MISSING = "Array.from(document.images).filter(one => !one.complete || !one.naturalWidth).map(one => one.src)"
UNNAMED = "Array.from(document.images).filter(one => !one.alt).map(one => one.src)"


@pytest.mark.parametrize("width", [400, 1400])
def test_every_page_is_whole(width):
    pages = [page for page in sorted(SITE.rglob("*.html")) if "_static" not in page.parts]
    if not pages:
        pytest.skip("the site is not built: run make docs first")
    assert len(pages) > LEAST_PAGES
    complaints = []
    with started_browser() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("requestfailed", lambda request: complaints.append(request.url))
        for page in pages:
            tab.goto(page.as_uri(), wait_until="load")
            place = page.relative_to(SITE)
            assert complaints == [], place
            assert tab.evaluate(BEYOND) <= 2, place
            assert tab.evaluate(MISSING) == tab.evaluate(UNNAMED) == [], place
