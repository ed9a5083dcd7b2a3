"""`neurondeath forecast`: a verdict on whether a network will live and learn."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from neurondeath.commands.grid_arguments import grid_option, study_of
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.learning_forecast import Trainability, trainability
from neurondeath.simulations.sweeps.grid import make_grid
from neurondeath.simulations.sweeps.grid_options import OPTIONS
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_theory.foundation.widths import short_widths

__all__ = ["forecast"]

MOST_FORECASTS = 1000
Text = str | None
LAYOUT = Layout(
    keys=("remedy",),
    priority=("verdict", "score", "call"),
    prose=("reason",),
    shown=("remedy", "verdict", "score", "call"),
)
SUMMARY = Layout(
    keys=("widths", "inputs"), priority=("verdict", "score", ("root_rank", "step_gain")), prose=("reason",)
)
REMEDY_COLUMNS = ("remedy", "verdict", "score", "reason", "call")
SUMMARISED = (*("verdict", "score", "root_rank", "step_gain", "alive", "living_ratio", "log_size_mean", "correlation"),)
NUMBERS = (
    *("verdict", "score", "score_low", "score_high", "root_rank", "root_rank_stderr", "entropy_rank"),
    *("entropy_rank_stderr", "step_gain", "alive_at_least", "alive", "living_ratio", "log_size_mean", "log_size_sd"),
    *("correlation", "effective_depth", "n_points", "n_networks", "reason"),
)


def forecast(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="A PyTorch model: module:function, file.py:function, timm:NAME, ... (extra torch)."
        ),
    ] = None,
    width: Annotated[Text, grid_option("width")] = None,
    depth: Annotated[Text, grid_option("depth")] = None,
    widths: Annotated[Text, grid_option("widths")] = None,
    inputs: Annotated[list[str] | None, grid_option("inputs")] = None,
    input_dim: Annotated[Text, grid_option("input_dim")] = None,
    input_seed: Annotated[Text, grid_option("input_seed")] = None,
    data_dir: Annotated[Text, grid_option("data_dir")] = None,
    architecture: Annotated[Text, grid_option("architecture")] = None,
    block_depth: Annotated[Text, grid_option("block_depth")] = None,
    effective_depth: Annotated[Text, grid_option("effective_depth")] = None,
    input_mean_square: Annotated[Text, grid_option("input_mean_square")] = None,
    activation: Annotated[Text, grid_option("activation")] = None,
    tau: Annotated[Text, grid_option("tau")] = None,
    m: Annotated[Text, grid_option("m")] = None,
    slope: Annotated[Text, grid_option("slope")] = None,
    init: Annotated[Text, grid_option("init", "or FILE.py:NAME, a Law of your own")] = None,
    weight_variance: Annotated[Text, grid_option("weight_variance")] = None,
    degrees_of_freedom: Annotated[Text, grid_option("degrees_of_freedom")] = None,
    zero_share: Annotated[Text, grid_option("zero_share")] = None,
    bias_variance: Annotated[Text, grid_option("bias_variance")] = None,
    bias_law: Annotated[Text, grid_option("bias_law")] = None,
    sign_flip: Annotated[Text, grid_option("sign_flip")] = None,
    networks: Annotated[
        int | None, typer.Option(help="Networks to draw.  [default: 8 to 32, by the work that one takes]")
    ] = None,
    data: Annotated[
        Text,
        typer.Option(help="Data of MODEL: digits, mnist, cifar10 (:M for M images), gaussian:M, a .npy or .npz file."),
    ] = None,
    weights: Annotated[Text, typer.Option(help="State dict to load into MODEL.")] = None,
    input_shape: Annotated[
        Text, typer.Option(help="Shape of one point of MODEL, e.g. 3,32,32, if its first layer does not imply it.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of the networks, or of MODEL and random data.")] = 0,
    remedies: Annotated[bool, typer.Option("--remedies/--no-remedies", help="Forecast remedies as well.")] = True,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Forecast whether networks of a law, or a PyTorch model, will live and learn, and what would help.

    The verdict, learns, slow, collapsed or dead, is for a budget of 420 steps of Adam on the digits. Lists and ranges
    of --width and other options give one row per network.
    """
    given = {option: value for option, value in locals().items() if option in OPTIONS and value not in (None, False)}
    check_count("--seed", seed, least=0)
    check_real("--learning-rate", learning_rate, low=0.0, low_open=True)
    if networks is not None:
        check_count("--networks", networks, least=2)
    if model is not None:
        check_columns(columns, output, (*REMEDY_COLUMNS, "root_rank", "step_gain"))
        if data is None:
            raise invalid("--data", "be given with MODEL", None, "pass --data digits")
        show_model = import_or_explain("neurondeath.commands.model_forecast").show_model_forecast
        show_model(model, data, weights, input_shape, learning_rate, seed, remedies, columns, output)
        return
    study = study_of(given)
    if len(study) > MOST_FORECASTS:
        raise invalid("the grid", f"have at most {MOST_FORECASTS} networks", len(study))
    tasks = make_grid([study]).tasks
    check_columns(columns, output, REMEDY_COLUMNS if len(tasks) == 1 else ("widths", "inputs", *SUMMARISED, "reason"))
    found = [
        trainability(
            task.network,
            task.inputs,
            networks=networks,
            learning_rate=learning_rate,
            remedies=remedies,
            seed=seed,
        )
        for task in tasks
    ]
    _show(found, columns, output)


def _show(found: list[Trainability], columns: str | None, output: Format) -> None:
    def document() -> Any:
        documents = [forecast_document(one) for one in found]
        return documents[0] if len(documents) == 1 else {"forecasts": documents}

    if len(found) > 1:
        rows = [_row(one) for one in found]
        table = {name: [row[name] for row in rows] for name in rows[0]}
        show(table, output, chosen=columns, layout=SUMMARY, json=document)
        return
    one = found[0]
    title = f"{one.network}; {one.n_networks} networks, {one.n_points} points of {one.inputs}"
    notes = [*_facts(one), str(one)]
    show(one.columns(), output, chosen=columns, title=title, notes=notes, layout=LAYOUT, json=document)


def _row(one: Trainability) -> dict[str, Any]:
    head = {"widths": short_widths(one.network.widths), "inputs": one.inputs}
    return head | {name: getattr(one, name) for name in SUMMARISED} | {"reason": one.reason}


def _facts(one: Trainability) -> list[str]:
    shares = ", ".join(f"{100 * share:.0f} % {name}" for name, share in one.shares.items() if share > 0.0)
    size = "" if one.log_size_mean is None else f"log of the mean square feature {one.log_size_mean:.3g}"
    spread = "" if one.log_size_sd is None else f" (sd {one.log_size_sd:.3g})"
    cosine = "" if one.correlation is None else f", mean cosine of two points {one.correlation:.4g}"
    lower = "" if one.alive_at_least is None else f", P(alive) at least {one.alive_at_least:.4g}"
    return [f"networks: {shares}; {100 * one.living_ratio:.3g} % of the points live{lower}", f"{size}{spread}{cosine}"]


def forecast_document(one: Trainability) -> dict[str, Any]:
    """Return a forecast as plain data."""
    head = {"network": one.network.description(), "inputs": one.inputs}
    numbers = {name: getattr(one, name) for name in NUMBERS}
    return {**head, **numbers, "shares": dict(one.shares), "remedies": [asdict(remedy) for remedy in one.remedies]}
