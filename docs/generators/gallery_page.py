"""The gallery: every registered figure with its caption, its picture, and the command and the code that draw it.

The pictures are computed when the site is built, at the quick settings; what was simulated is kept in a store beside
them, until a source of the project changes.
"""

import hashlib
from pathlib import Path

from generators.markdown import escaped
from neurondeath.figures.gallery import STORE, caption, make_figure
from neurondeath.figures.registry import BY_FOLDER
from neurondeath.figures.tables import TableError, read_table

__all__ = ["PICTURES", "draw_pictures", "gallery_page"]

PICTURES = "gallery/pictures"  # below docs/generated
ROOT = Path(__file__).parents[2]
SOURCES = (".py", ".csv", ".mplstyle")
RESOLUTION = 200  # pixels per inch of the house style
ROOMS = {
    "survival": "Survival",
    "gaussian_limit": "The Gaussian limit: sparse activations",
    "trainability": "Trainability",
    "training": "Training",
}
INTRODUCTION = """# Gallery

All {number} figures of the project. They are drawn while this page is built, with the quick settings: fewer trials and
coarser grids than `neurondeath figures all --out pictures` uses, so that error bars are wider here; figures of training
are drawn from the tables of the studies, which ship with the project. Each figure saves the data it shows beside the
picture as CSV, and `--redraw` draws from these data alone.
"""


def draw_pictures(folder: Path, *, quick: bool = True) -> list[str]:
    """Draw all figures into a folder, and return the names of those that were drawn.

    Figures that are there are kept as long as no source of the project has changed; otherwise all are computed again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp, digest = folder / "sources.sha256", sources_digest()
    if not stamp.exists() or stamp.read_text() != digest:
        for file in folder.iterdir():
            file.unlink()
    drawn = [name for name in _figures() if not (folder / f"{name}.png").exists()]
    stamp.write_text(digest)
    for name in drawn:
        make_figure(name, folder, quick=quick, store=folder / STORE)
    return drawn


def sources_digest() -> str:
    """Return a digest of the programs and tables that pictures are made from."""
    found = hashlib.sha256()
    for package in ("figures", "simulations", "neurondeath_theory", "neurondeath_torch"):
        for file in sorted((ROOT / package).rglob("*")):
            if file.suffix in SOURCES:
                found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()


def gallery_page(folder: Path) -> dict[str, str]:
    """Return the pages: path below `docs/generated` -> text.

    Parameters
    ----------
    folder : path
        Folder of the tables, from which the captions take the numbers of trials; a caption whose table is missing
        leaves them open.
    """
    parts = [INTRODUCTION.format(number=len(_figures()))]
    for room, titles in BY_FOLDER.items():
        parts += [f"## {ROOMS[room]}\n"]
        for name, title in titles.items():
            parts += [_figure(room, name, title, _caption(folder, name), folder / f"{name}.png")]
    return {"gallery/index.md": "\n".join(parts)}


def _figures() -> list[str]:
    return [name for titles in BY_FOLDER.values() for name in titles]


def _caption(folder: Path, name: str) -> str:
    try:
        table, _ = read_table(folder / f"{name}.csv", figure=name)
    except TableError:
        table = {}
    return escaped(caption(name, table))


def _figure(room: str, name: str, title: str, text: str, picture: Path) -> str:
    heading = escaped(title[0].upper() + title[1:])
    return f"""(figure-{name.replace("_", "-")})=
### {heading}

```{{figure}} pictures/{name}.png
:alt: {heading}
:width: {_width(picture)}

{text}
```

    neurondeath figures {name} --out pictures

In Python: `nd.make_figure("{name}", Path("pictures"))`.

````{{dropdown}} The code: figures/{room}/{name}.py
```{{literalinclude}} ../../../figures/{room}/{name}.py
:language: python
```
````
"""


def _width(picture: Path) -> str:
    """Return the width on the page of a PNG picture: that of the paper's figure, a quarter larger."""
    if not picture.exists():
        return "100%"
    pixels = int.from_bytes(picture.read_bytes()[16:20], "big")  # of the header of a PNG file
    return f"{round(1.25 * 96 * pixels / RESOLUTION)}px"
