"""How to cite the project and the papers behind its results, from CITATION.cff and the bibliography."""

from pathlib import Path

from neurondeath.paper_check.citations import cite

__all__ = ["citing_page"]

CITATION = Path(__file__).parents[2] / "CITATION.cff"
TEXT = """# How to cite

Please cite the project, and the papers whose results you use: `neurondeath cite survival_bounds` prints the entries
behind a function, `neurondeath cite R1` those behind a claim; all are in the [list of sources](#rister2020).

```bibtex
{entry}
```

`CITATION.cff`, which reference managers read:

```yaml
{citation}
```
"""


def citing_page() -> dict[str, str]:
    """Return the page: path below `docs/generated` -> text."""
    citation = CITATION.read_text(encoding="utf-8").strip()
    return {"project/citing.md": TEXT.format(entry=cite("neurondeath"), citation=citation)}
