"""The page in a browser: every control, with the mouse and the keyboard, and nothing on the console.

Needs playwright and a chromium of the system; run by `make browser`.
"""

import re

import pytest

import neurondeath as nd
from neurondeath.explorer.choices import NAMES
from tests.references.browsers import started_browser

pytestmark = pytest.mark.browser

PATIENCE = 30_000  # milliseconds
VALUES = {  # control -> value, and what it needs of others
    "width": ("7", {}),
    "depth": ("9", {}),
    "architecture": ("residual", {}),
    "effective_depth": ("1.5", {"architecture": "residual"}),
    "inputs": ("digits:16", {}),
    "input_dim": ("5", {}),
    "activation": ("soft-threshold", {}),
    "sparsity": ("0.8", {"activation": "shifted-relu"}),
    "v_prime": ("0.6", {"activation": "clipped-soft-threshold"}),
}


@pytest.fixture(scope="module")
def browser():
    """Start the browser of the system."""
    with started_browser() as running:
        yield running


@pytest.fixture
def open_page(browser, client):
    """Open the page; afterwards the console is empty, and nothing was asked of another server."""
    contexts, complaints = [], []

    def open_page(*, fragment="", width=1400, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda sent: (
                None if sent.url.startswith((client.explorer.address, "data:")) else complaints.append(sent.url)
            ),
        )
        page.goto(client.explorer.address + fragment)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def settle(page):
    """Wait until both designs have their closed forms."""
    page.wait_for_timeout(200)
    wait_until(page, "!document.querySelector('.stale') || !!document.querySelector('.error:not([hidden])')")


def wait_until(page, expression):
    """Wait until an expression is true; the policy of the page forbids the browser's driver to do so inside."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def set_control(page, letter, name, value):
    """Set a control as a reader would."""
    control = page.locator(f"#{letter}-{name}")
    if control.evaluate("one => one.tagName") == "SELECT":
        control.select_option(value)
    else:
        control.fill(value)
    settle(page)


@pytest.mark.parametrize("letter", ["a", "b"])
@pytest.mark.parametrize("name", NAMES)
def test_every_control(open_page, letter, name):
    page = open_page(fragment=f"#{letter}.width=64")
    other = page.locator("#b" if letter == "a" else "#a").locator(".network").inner_text()
    value, needs = VALUES[name]
    for needed, text in needs.items():
        set_control(page, letter, needed, text)
    before = page.locator(f"#{letter} pre[data-answer=python]").inner_text()
    if name == "architecture":
        set_control(page, letter, "width", "8")
        before = page.locator(f"#{letter} pre[data-answer=python]").inner_text()
    set_control(page, letter, name, value)
    assert page.locator(f"#{letter} .error").is_hidden()
    assert page.locator(f"#{letter} pre[data-answer=python]").inner_text() != before
    assert page.locator("#b" if letter == "a" else "#a").locator(".network").inner_text() == other
    assert f"{letter}.{name}={value.replace(':', '%3A')}" in page.url
    shown = page.locator(f"#{letter} .network").inner_text()
    page.reload()  # the link holds the state
    settle(page)
    assert page.locator(f"#{letter} .network").inner_text() == shown
    assert page.locator(f"#{letter}-{name}").input_value() == value


@pytest.mark.parametrize("name", ["width", "depth", "sparsity", "v_prime"])
def test_sliders_by_keyboard(open_page, name):
    page = open_page(fragment="#a.activation=clipped-shifted-relu")
    slider = page.locator(f"#a input[data-slides={name}]")
    before = page.locator(f"#a-{name}").input_value()
    slider.focus()
    for _ in range(3 if name != "depth" else 1):
        page.keyboard.press("PageUp")
    settle(page)
    after = page.locator(f"#a-{name}").input_value()
    assert float(after) > float(before)
    assert f"a.{name}={after}" in page.url


def test_answers_are_those_of_the_library(open_page):
    page = open_page(fragment="#a.width=3&a.depth=20")
    assert page.locator("#a [data-answer=survival]").inner_text() == str(nd.survival_bounds(width=3, depth=20))
    for kind in ("needed", "simulation", "forecast"):
        wait_until(page, f"document.querySelector('#a [data-work={kind}] progress').hidden")
    assert page.locator("#a [data-work=needed] p").inner_text() == str(
        nd.needed_units(nd.sparse_design("relu", 0.5), [1, 8, 64], depth=20)
    )
    sampled = str(nd.simulate(nd.Network(width=3, depth=20), trials=1000, seed=0))
    assert sampled.startswith(page.locator("#a [data-work=simulation] p").inner_text())
    assert page.locator("#a [data-work=forecast] p").inner_text().startswith("dead, score 0")
    assert page.locator("#a [data-answer=remedies] tr").count() > 3


def test_a_refusal_is_shown_and_goes_away(open_page):
    page = open_page(fragment="#a.width=8")
    for name, value in (("width", ""), ("depth", "0"), ("inputs", "/etc/passwd")):
        before = page.locator(f"#a-{name}").input_value()
        page.locator(f"#a-{name}").fill(value)
        settle(page)
        if value:
            assert page.locator("#a .error").inner_text().startswith(f"`{name}` must")
        set_control(page, "a", name, before)
        wait_until(page, "document.querySelector('#a .error').hidden")


def test_buttons(open_page):
    page = open_page(fragment="#a.width=5&b.width=6")
    page.get_by_role("button", name="Copy A to B").click()
    settle(page)
    assert page.locator("#b-width").input_value() == "5"
    set_control(page, "b", "width", "9")
    page.get_by_role("button", name="Swap A and B").click()
    settle(page)
    assert [page.locator(f"#{letter}-width").input_value() for letter in "ab"] == ["9", "5"]
    page.get_by_role("button", name="Copy the link").click()
    wait_until(page, "document.getElementById('said').textContent === 'copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    for what in ("Python program", "commands"):
        page.get_by_role("button", name=f"Copy the {what} of design A").click()
        page.wait_for_timeout(100)
        assert "neurondeath" in page.evaluate("navigator.clipboard.readText()")


def test_a_hostile_link_is_text(open_page):
    page = open_page(fragment="#a.inputs=%3Cimg%20src%3Dx%3E&a.__proto__=1&a.activation=nonsense&c.width=3")
    assert page.locator("#a .error").inner_text().startswith("`inputs` must be gaussian:M")
    assert page.locator("main img").count() == 0
    assert page.locator("#a-activation").input_value() == "relu"


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1400, "light"), (1400, "dark")])
def test_narrow_and_dark(open_page, width, scheme):
    page = open_page(width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")
    clipped = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter((text) => {
            const inner = text.getBoundingClientRect(), outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.left < outer.left - 1 || inner.right > outer.right + 1;
        }).map((text) => text.textContent)"""
    )
    assert clipped == []


def test_accessibility(open_page):
    page = open_page(fragment="#a.activation=clipped-shifted-relu&b.width=3")
    unnamed = page.evaluate(
        """[...document.querySelectorAll('input, select, button, progress')].filter((one) =>
            !one.getAttribute('aria-label') && !one.textContent.trim() && !(one.labels && one.labels.length)
        ).map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    texts = page.evaluate("[...document.querySelectorAll('svg')].map((one) => one.getAttribute('aria-label'))")
    assert len(texts) == 8
    assert min(map(len, texts)) > 20
    names = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(names) == len(set(names))
    reached = set()
    page.locator("#copy-link").focus()
    for _ in range(60):
        place = page.evaluate(
            """() => { const one = document.activeElement, seen = getComputedStyle(one);
            const name = one.id || one.dataset.slides || one.dataset.copies || one.tagName;
            return [name, seen.outlineStyle, seen.outlineWidth]; }"""
        )
        if place[0] != "BODY":
            reached.add(place[0])
            assert place[1] != "none", place
            assert float(place[2].removesuffix("px")) >= 2, place
        page.keyboard.press("Tab")
    controls = "[...document.querySelectorAll('[id]:enabled')].map((one) => one.id)"
    enabled = set(page.evaluate(controls))
    assert enabled <= reached
    assert {"width", "depth", "sparsity", "v_prime", "python", "commands"} <= reached
