"""`neurondeath plot`: draw what a store holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from figures.picture import FORMATS
from figures.picture import save as save_picture
from figures.survival_depth import draw_survival_depth
from neurondeath_theory._validation import check_choice, invalid
from simulations.estimates import read_store
from simulations.store import Store

__all__ = ["plot"]


def plot(
    store: Annotated[str, typer.Argument(help="The results store.")],
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .pdf or .svg.")] = Path("survival_depth.png"),
    task: Annotated[str | None, typer.Option(help="Only tasks whose id begins so.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic scale of P(alive).")] = False,
) -> None:
    """Draw P(alive) against depth from a results store, with exact 95 % intervals, between its bounds."""
    check_choice("--out ending", out.suffix.lstrip(".").lower(), FORMATS)
    if not out.parent.is_dir():
        raise invalid("--out", "name a file in a folder that exists", str(out), f"make {out.parent} first")
    with Store(store, readonly=True) as opened:
        simulations = read_store(opened, task)
    target = save_picture(draw_survival_depth(simulations, log=log), out, name="--out")
    print(f"drew {len(simulations)} tasks", file=sys.stderr)
    print(target)
