"""The pictures of the gallery are drawn once, and again when a source of the project has changed."""

from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def gallery(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    module = import_module("generators.gallery_page")
    monkeypatch.setattr(module, "BY_FOLDER", {"gaussian_limit": {"activations": "the activations"}})
    return module


def test_pictures_are_drawn_once_and_after_a_change(gallery, tmp_path, monkeypatch):
    assert gallery.draw_pictures(tmp_path) == ["activations"]
    assert gallery.draw_pictures(tmp_path) == []
    page = gallery.gallery_page(tmp_path)["gallery/index.md"]
    assert ":width: 100%" not in page
    monkeypatch.setattr(gallery, "sources_digest", lambda: "another")
    assert gallery.draw_pictures(tmp_path) == ["activations"]


def test_an_interrupted_build_draws_what_is_missing(gallery, tmp_path):
    gallery.draw_pictures(tmp_path)
    (tmp_path / "activations.png").unlink()
    assert gallery.draw_pictures(tmp_path) == ["activations"]


def test_every_source_counts(gallery, tmp_path, monkeypatch):
    before = gallery.sources_digest()
    monkeypatch.setattr(gallery, "SOURCES", (".py",))
    assert gallery.sources_digest() != before
    assert gallery.sources_digest() == gallery.sources_digest()
