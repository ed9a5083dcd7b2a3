"""The page of `neurondeath check --format html`: whole, self-contained, and with every text escaped."""

import signal
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import neurondeath.figures.gallery
import neurondeath.paper_check.claims
from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.papers import PAPERS
from neurondeath.paper_check.report_figures import draw_pictures
from neurondeath.paper_check.report_page import page
from neurondeath.paper_check.verification import check
from neurondeath_theory.foundation.interruption import Stopped
from tests.references.fake_claims import EXAMPLE, claim


@pytest.fixture
def call(caller):
    return caller("paper_check")


class Reader(HTMLParser):
    """Collect ids, references, tags and text; fail on tags that do not match."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.text, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "srcset", "action", "data", "poster") or "url(" in (value or ""):
                self.references.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(text):
    reader = Reader(text)
    assert len(set(reader.ids)) == len(reader.ids)
    for reference in reader.references:
        loaded = reference.startswith("data:image/png;base64,")
        assert loaded or reference.lstrip("#") in reader.ids or reference in {paper.url for paper in PAPERS.values()}
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert "@import" not in text
    assert "url(" not in text
    assert "://" not in text.split("</style>")[0]
    return reader


def test_the_page_is_whole_and_needs_nothing_else(capsys):
    real = [one for one in packaged_claims() if one.id == "L5"]
    untested = replace(claim("U", expected="NOT TESTED"), reason="it takes a GPU")
    drawn = [replace(claim(name, "CONFIRMED"), figure="activations") for name in ("F1", "F2")]
    report = check(claims=[*real, untested, *drawn])
    text = page(report, draw_pictures(report))
    assert "[figure 1/1] activations" in capsys.readouterr().err
    reader = read_page(text)
    assert {"claim-L5", "claim-U", "claim-F1", "claim-F2", "figure-activations"} <= set(reader.ids)
    assert reader.tags.count("math") == 2
    assert reader.tags.count("img") == 1  # once, though two claims name it
    assert "#figure-activations" in reader.references
    assert reader.tags.count("details") == 3
    for needed in ("prefers-color-scheme: dark", "@media print", 'name="viewport"', "Why not tested"):
        assert needed in text
    assert "img" not in read_page(page(report)).tags
    assert capsys.readouterr().err == ""


def test_the_page_escapes_what_it_shows():
    report = check(
        claims=[claim("F <1>", "CONFIRMED", "REFUTED", "raise", mutations=["REFUTED"]), claim("F x31", "ERROR")]
    )
    for one in (report, check(claims=[claim("F <1>", "CONFIRMED", mutations=["REFUTED"])], self_test=True)):
        reader = read_page(page(one))
        assert not {"b", "i", "paper"} & set(reader.tags)
        assert any("x < y & z." in text for text in reader.text)
        assert any("F <1>" in text for text in reader.text)


def test_a_figure_that_fails_costs_no_evidence(call, tmp_path, monkeypatch):
    def broken(*arguments, **more):
        raise RuntimeError("no ink")

    monkeypatch.setattr(neurondeath.figures.gallery, "make_figure", broken)
    (tmp_path / "mine.toml").write_text(EXAMPLE)
    assert 'figure = "survival_depth"' in EXAMPLE
    code, out, err = call("check --claims mine.toml --format html --out page.html")
    assert (code, out.strip()) == (0, "page.html")
    assert "failed: RuntimeError: no ink" in err
    assert "claim-M1" in read_page((tmp_path / "page.html").read_text()).ids
    code, out, err = call("check --claims mine.toml --format html --no-figures")
    assert code == 0
    assert "claim-M1" in read_page(out).ids
    assert "figure" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_of_the_figures_leaves_a_page_with_all_claims(call, tmp_path, monkeypatch, number):
    def interrupted(*arguments, **more):
        raise Stopped(number)

    monkeypatch.setattr(neurondeath.figures.gallery, "make_figure", interrupted)
    (tmp_path / "mine.toml").write_text(EXAMPLE)
    code, _, err = call("check --claims mine.toml --format html --out page.html")
    assert code == 128 + number
    assert "interrupted" in err
    text = (tmp_path / "page.html").read_text()
    assert "claim-M1" in read_page(text).ids
    assert "Interrupted before all figures were drawn" in text
