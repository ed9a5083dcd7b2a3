"""`neurondeath speed`: how much faster zeros make a network of a design, predicted and measured on this machine."""

from typing import Annotated, Any

import typer

from neurondeath.commands.option_names import option_names
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.inference.weight_precision import PLACES
from neurondeath_theory.foundation.progress import new_display
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_theory.foundation.widths import parse_counts
from neurondeath_theory.gaussian_limit.edge_of_chaos import CLIPPED, KINDS, EdgeOfChaos, sparse_design

__all__ = ["speed"]

COLUMNS = ("batch", "needed_predicted", "needed", "dense_us", "sparse_us", "ratio_predicted", "ratio")
LAYOUT = Layout(keys=("batch",), priority=("ratio", "ratio_predicted", "needed", "needed_predicted", "sparse_us"))
BATCHES = "1,2,4,8,16,32,64"
MOST_BATCHES = 64
V_PRIME = 0.7  # of clipped activations unless another or --m is given
OPTIONS = {"kind": "--activation", "batches": "--batch"}


def speed(
    width: Annotated[int, typer.Option(help="Width of every layer.")],
    depth: Annotated[int, typer.Option(help="Number of layers.")],
    sparsity: Annotated[float, typer.Option(help="Share of units at zero, in (0, 1).")],
    batch: Annotated[str, typer.Option(help="Batch sizes, as 1,8 or 1:64:7.")] = BATCHES,
    activation: Annotated[
        str, typer.Option(metavar="KIND", help=f"One of {', '.join(KINDS)}.")
    ] = "clipped-shifted-relu",
    v_prime: Annotated[
        float | None, typer.Option(help=f"Target V'(q*) in (0, 1) of clipped activations; {V_PRIME} by default.")
    ] = None,
    m: Annotated[float | None, typer.Option(help="Clipping height, instead of --v-prime.")] = None,
    effective_depth: Annotated[
        float, typer.Option(help="D of the critical residual stream, in (0, depth]; depth is the plain network.")
    ] = 1.0,
    precision: Annotated[
        str, typer.Option(help=f"Of the weights that the sparse network reads: one of {', '.join(PLACES)}.")
    ] = "float32",
    seed: Annotated[int, typer.Option(help="Seed of the weights and inputs.")] = 0,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Measure a random network densely and sparsely on this machine, one thread, beside what the theory predicts."""
    check_columns(columns, output, COLUMNS)
    sizes = parse_counts("--batch", batch)
    if len(sizes) > MOST_BATCHES:
        raise invalid("--batch", f"name at most {MOST_BATCHES} sizes", batch)
    check_count("--seed", seed, least=0)
    check_count("--width", width)
    check_count("--depth", depth)
    check_choice("--precision", precision, tuple(PLACES))
    design = _design(activation, sparsity, v_prime, m)
    from neurondeath.simulations.inference.speed import inference_speed

    display = new_display()
    names = {name: f"--{name.replace('_', '-')}" for name in ("width", "depth", "effective_depth")}
    try:
        with option_names(OPTIONS | names):
            found = inference_speed(
                design,
                width,
                depth,
                sizes,
                effective_depth=effective_depth,
                precision=precision,
                seed=seed,
                progress=lambda share, how_far: display.update(share, f"{depth} x {width}", how_far),
            )
    finally:
        display.close()
    rows = found.columns()
    weights = "" if precision == "float32" else f", {precision} weights"
    show(
        rows,
        output,
        chosen=columns,
        title=f"{depth} layers of width {width}, {design.activation}, effective depth {effective_depth:g}"
        f"{weights}, one thread",
        notes=[_note(found)],
        layout=LAYOUT,
        json=lambda: _document(found, rows),
    )


def _design(activation: str, sparsity: float, v_prime: float | None, m: float | None) -> EdgeOfChaos:
    """Compute the design; errors name the options of the command."""
    kind = check_choice("--activation", activation, KINDS)
    if kind in CLIPPED and v_prime is None and m is None:
        v_prime = V_PRIME
    with option_names({"kind": "--activation", "sparsity": "--sparsity", "v_prime": "--v-prime", "m": "--m"}):
        return sparse_design(kind, sparsity, v_prime=v_prime, m=m)


def _note(found: Any) -> str:
    """Return the sentence on where sparse stops paying."""
    if found.crossover is None:
        measured = "sparse is faster than dense at every measured batch size"
    else:
        measured = f"sparse is no faster than dense from batch {found.crossover} on"
    predicted = "for every batch" if found.predicted_crossover is None else f"below batch {found.predicted_crossover}"
    return f"{measured}; it is predicted to be faster {predicted}"


def _document(found: Any, rows: Any) -> dict[str, Any]:
    """Return the JSON document."""

    def entries(names: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {"batch": batch, **{key: rows[column][i] for key, column in names.items()}}
            for i, batch in enumerate(found.batches)
        ]

    seconds = zip(found.dense_seconds, found.sparse_seconds, strict=True)
    measured = entries({"needed": "needed", "ratio": "ratio"})
    return {
        "width": found.width,
        "depth": found.depth,
        "effective_depth": found.effective_depth,
        "activation": str(found.design.activation),
        "sparsity": found.design.sparsity,
        "precision": found.precision,
        "threads": 1,
        "predicted": entries({"needed": "needed_predicted", "ratio": "ratio_predicted"}),
        "measured": [
            {**one, "dense_seconds": dense, "sparse_seconds": sparse}
            for one, (dense, sparse) in zip(measured, seconds, strict=True)
        ],
        "crossover_batch": {"predicted": found.predicted_crossover, "measured": found.crossover},
    }
