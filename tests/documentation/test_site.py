"""The documentation site, without building it: every name, command, figure, claim and theory module is on it."""

import posixpath
import re
import runpy
import sys
from importlib import import_module
from pathlib import Path

import pytest

import neurondeath as nd
from neurondeath.commands import COMMANDS
from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.papers import PAPERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INCLUDED = ("generated/headers/", "generated/parts/")  # by other pages
PACKAGES = ("neurondeath_theory", "neurondeath.simulations", "neurondeath_torch")
DOCUMENTED = re.compile(r"^\.\. (?:auto(?:class|function|exception)|py:data):: (\w+)$", flags=re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*([^)\s]+)\s*\)")
TARGET = re.compile(r"^\(([\w-]+)\)=$", flags=re.MULTILINE)


def without_code(text):
    """Return a page without its blocks of code."""
    return re.sub(r"^(```+)(?!\{)[^\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_settings_are_read():
    before = list(sys.path)
    try:
        settings = runpy.run_path(str(DOCS / "conf.py"))
    finally:
        sys.path[:] = before
    assert settings["release"] == import_module("neurondeath_theory.foundation.version").__version__
    assert settings["html_math_renderer"] == "mathml"
    assert callable(settings["setup"])


def test_every_public_name_is_in_the_reference_once(pages):
    found = []
    for name, text in pages.items():
        if name.startswith("reference/api/") and name.endswith(".rst"):
            (package,) = re.findall(r"currentmodule:: (\S+)", text)
            found += [(package, each) for each in DOCUMENTED.findall(text)]
    expected = [("neurondeath", name) for name in nd.__all__]
    for package in PACKAGES:
        module = import_module(package)
        expected += [(package, name) for name in module.__all__ if getattr(module, name) is not getattr(nd, name, None)]
    assert sorted(found) == sorted(expected)
    listed = [row for name, text in pages.items() if name.startswith("reference/api/") for row in table_rows(text)]
    assert sorted(listed) == sorted(f"{package}.{name}" for package, name in expected)


def table_rows(text):
    return re.findall(r"^\| \{py:obj\}`\w+ <([\w.]+)>`", text, flags=re.MULTILINE)


def test_every_room_is_listed(pages, sources):
    rooms = [name.removesuffix(".md") for name in pages if re.fullmatch(r"reference/api/[\w-]+\.md", name)]
    for room in rooms:
        assert f"\n../generated/{room}\n" in pages["parts/rooms.md"]
    assert "{include} ../generated/parts/rooms.md" in sources["reference/python.md"]


def test_every_command_is_in_the_reference_with_its_options(pages):
    names = {name.split("/")[-1].removesuffix(".md") for name in pages if name.startswith("reference/commands/")}
    assert names == set(COMMANDS)
    assert "`--growth <float>`" in pages["reference/commands/size.md"]
    assert "| `--growth` | needs one of | `--depth` |" in pages["reference/commands/size.md"]
    assert all("`-h, --help`" in pages[f"reference/commands/{name}.md"] for name in COMMANDS)


def test_every_figure_is_in_the_gallery_with_its_code(pages):
    gallery = pages["gallery/index.md"]
    assert re.findall(r"^    neurondeath figures (\w+) --out pictures$", gallery, flags=re.MULTILINE) == list(
        nd.FIGURES
    )
    files = re.findall(r"literalinclude\} ../../../(\S+)", gallery)
    assert len(files) == len(nd.FIGURES)
    assert all((ROOT / file).is_file() for file in files)


def test_every_key_of_configuration_files_is_listed(pages):
    page = pages["reference/configuration.md"]
    for key in ("epochs", "optimiser.learning_rate", "width", "effective_depth"):
        assert f"| `{key}` |" in page
    assert len(re.findall(r"^\| `", page, flags=re.MULTILINE)) > 80


def test_every_claim_is_listed_with_a_verdict(pages):
    page = pages["evidence/claims.md"]
    assert re.findall(r"^### (\S+)$", page, flags=re.MULTILINE) == [claim.id for claim in packaged_claims()]
    assert page.count("Expected: **") == len(packaged_claims())


def test_every_theory_module_is_in_a_chapter_once(pages, sources):
    chapters = "".join(text for name, text in sources.items() if name.startswith("theory/"))
    included = re.findall(r"\{include\} \.\./generated/(headers/\S+)", chapters)
    assert sorted(included) == sorted(name for name in pages if name.startswith("headers/"))
    assert len(included) > 45


def test_every_formula_of_the_theory_is_typeset(pages, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    formula = import_module("generators.mathml").formula
    for name, text in pages.items():
        if name.startswith(("headers/", "evidence/")):
            for display, inline in re.findall(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$]+)\$", text, flags=re.DOTALL):
                markup = formula(display or inline, display=bool(display))
                assert markup.startswith("<math")
                assert not re.search(r"\\[a-zA-Z]+", markup), (name, display or inline)


def test_papers_are_cited_where_the_theory_names_them(pages):
    for key, paper in PAPERS.items():
        assert f"({key})=" in pages["theory/sources.md"]
        assert paper.arxiv in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert "([rister2020](#rister2020), theorem on the lower bound)" in pages["headers/survival.bounds.md"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            '{"time": 0, "machine": {"processor": "x"}, "rows": [{"what": "a|b", "measured": 5.329, "met": true}]}',
            "5.33",
        ),
        ('[{"case": "n=10", "ratio": 812.3}, {"case": "n=20", "seconds": 2}]', "812"),
        ('{"6 x 32": {"forward": 2.5}}', "6 x 32"),
    ],
)
def test_benchmarks_are_read(tmp_path, monkeypatch, rows, expected):
    monkeypatch.syspath_prepend(str(DOCS))
    page = import_module("generators.benchmark_page").benchmark_page
    (tmp_path / "speed.json").write_text(rows)
    assert expected in page(tmp_path)["project/benchmarks.md"]
    assert "Nothing has been measured" in page(tmp_path / "none")["project/benchmarks.md"]


def test_links_and_references_lead_somewhere(sources):
    targets = {target for text in sources.values() for target in TARGET.findall(text)}
    for name, text in sources.items():
        folder = "" if name.startswith(INCLUDED) else posixpath.dirname(name)  # headers are included
        for link in LINK.findall(without_code(text)):
            path, _, anchor = link.partition("#")
            if re.match(r"https?:|mailto:", link):
                continue
            if path:
                place = posixpath.normpath(posixpath.join(folder, path))
                assert place in sources, f"{name}: {link}"
            elif anchor:
                assert anchor in targets, f"{name}: {link}"


def test_names_in_roles_are_public(sources):
    for name, text in sources.items():
        for target in re.findall(r"\{py:obj\}`(?:[^`<]*<)?~?(neurondeath[\w.]*)>?`", text):
            package, _, last = target.rpartition(".")
            assert last in import_module(package).__all__, f"{name}: {target}"


def test_tables_of_contents_name_every_page(sources):
    listed = set()
    for name, text in sources.items():
        if name.startswith("generated/parts/"):
            name = "reference/python.md"  # which includes it
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL):
            for line in block.splitlines():
                entry = re.sub(r".*<(.*)>", r"\1", line.strip())
                if entry and not entry.startswith(":"):
                    listed.add(posixpath.normpath(posixpath.join(posixpath.dirname(name), entry)))
    for name in sources:
        page = re.sub(r"\.(md|rst)$", "", name)
        in_a_pattern = page.startswith("generated/reference/commands/")
        assert page in listed or in_a_pattern or page == "index" or name.startswith(INCLUDED), name


def test_notebooks_are_programs():
    notebooks = sorted((DOCS / "notebooks").glob("*.md"))
    cells = {
        path.stem: re.findall(r"```\{code-cell\} python\n(.*?)```", path.read_text(), flags=re.DOTALL)
        for path in notebooks
    }
    assert sum(bool(found) for found in cells.values()) == 5
    for name, found in cells.items():
        for number, cell in enumerate(found):
            compile(cell, f"{name}, cell {number + 1}", "exec")
    trained = [name for name, found in cells.items() if "optim" in "".join(found)]
    assert set(trained) == {"audit", "sparse-and-deep", "survival", "trainability"}
    for name in trained:
        assert re.search(r"assert .*(accuracy|curves)", "".join(cells[name])), name
