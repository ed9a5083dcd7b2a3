"""The list of sources: every paper whose results the project computes, with a link target for its key."""

import re

from neurondeath.paper_check.papers import PAPERS, Paper

__all__ = ["sources_page"]

ACCENTS = {r"{\'e}": "é", r"{\"o}": "ö", r"{\"u}": "ü", r"{\"a}": "ä", r"{\'a}": "á", r"{\c{c}}": "ç"}
INTRODUCTION = """# Sources

The papers whose results the project computes or checks. The keys are those of docstrings, claims and
`neurondeath cite`.
"""


def sources_page() -> dict[str, str]:
    """Return the page: path below `docs/generated` -> text."""
    return {"theory/sources.md": "\n".join([INTRODUCTION, *map(_entry, PAPERS.values())])}


def _entry(paper: Paper) -> str:
    fields = dict(paper.published)
    place = fields.get("journal") or fields.get("booktitle") or ""
    numbers = " ".join(fields[name] for name in ("volume", "pages") if name in fields)
    published = f" *{_text(place)}*{' ' + _text(numbers) if numbers else ''}." if place else ""
    authors = ", ".join(_author(author) for author in paper.authors)
    link = f"[arXiv {paper.arxiv}](https://arxiv.org/abs/{paper.arxiv})"
    return f"({paper.key})=\n**{paper.key}**: {authors}: {_text(paper.title)}.{published} {paper.year}. {link}\n"


def _author(author: str) -> str:
    family, _, given = author.partition(", ")
    return _text(f"{given} {family}".strip())


def _text(latex: str) -> str:
    for accent, letter in ACCENTS.items():
        latex = latex.replace(accent, letter)
    return re.sub(r"[{}]", "", latex).replace("--", "\N{EN DASH}")
