"""`neurondeath bounds`: bounds on the survival of plain ReLU networks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.messages import message
from neurondeath.commands.network_layers import MOST_PAIR_LAYERS, check_exact, check_listed, read_layers, shown_layers
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.commands.work_progress import with_progress
from neurondeath_theory.foundation.validation import check_count
from neurondeath_theory.foundation.widths import short_widths
from neurondeath_theory.survival.bounds import SurvivalBounds, survival_bounds

if TYPE_CHECKING:
    from neurondeath_theory.survival.born_dead import OneDimensionalSurvival

__all__ = ["bounds"]

MOST_EXACT_LAYERS = 20_000  # of exact values, some seconds
DEAD_UNIT_SECONDS = 5.0  # for the estimates of all networks together
PRIORITY = (
    *("exact", ("lower", "upper"), ("de_caen", "gallot"), "mean_living_ratio", "error"),
    *(("log10_death_at_most", "log10_death_at_least"), ("first_layer_death", "first_layer_death_error")),
    ("first_layer_log10_death", "first_layer_log10_death_low", "first_layer_log10_death_high"),
    *("log10_death", "death_relative_error", "general_lower", ("dead_units", "dead_units_stderr")),
)
OF_POINTS = ("de_caen", "gallot", "exact", "error", "n_points", "n_rays", "withheld", "dead_units", "dead_units_stderr")
OF_FIRST_LAYER = (
    *("first_layer_death", "first_layer_death_error", "first_layer_log10_death"),
    *("first_layer_log10_death_low", "first_layer_log10_death_high", "first_layer_method"),
)


def bounds(
    width: Annotated[str | None, typer.Option(help="Width of every hidden layer; several: 2,4,8 or 2:16:2.")] = None,
    depth: Annotated[str | None, typer.Option(help="Number of hidden layers; several: 10,100.")] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of one network, layer by layer, e.g. 8,8,16.")] = None,
    input_dim: Annotated[int | None, typer.Option(help="Input dimension.")] = None,
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Whether the layers have random biases.")] = False,
    nonnegative_inputs: Annotated[
        bool, typer.Option("--nonnegative-inputs", help="All inputs lie in the non-negative orthant.")
    ] = False,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="Add bounds for these points: gaussian:64, digits:256 or a .npy or .npz file; withheld with --bias."
        ),
    ] = None,
    first_layer: Annotated[
        bool, typer.Option("--first-layer", help="Add P(first layer dead on the points of --inputs).")
    ] = False,
    one_dimensional_input: Annotated[
        bool,
        typer.Option("--one-dimensional-input", help="Exact P(alive) for input dimension 1 without biases."),
    ] = False,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="Every layer, not only the last.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Bound the probability that a plain ReLU network is born alive, and compute its exact mean living ratio."""
    networks = read_layers(width, depth, widths)
    if input_dim is not None:
        check_count("--input-dim", input_dim)
    if per_layer:
        check_listed(sum(map(len, networks)), output)
    if inputs is not None and not one_dimensional_input:  # this takes some seconds
        further = OF_POINTS + (OF_FIRST_LAYER if first_layer else ())
        check_columns(columns, output, ("widths", *survival_bounds([1]).columns(), *further))
    results: list[SurvivalBounds | OneDimensionalSurvival]
    data_aware: list[dict[str, Any]] = [{} for _ in networks]  # further bounds of each network, from the points
    if one_dimensional_input:
        from neurondeath_theory.survival.born_dead import one_dimensional_survival

        check_exact(networks, MOST_EXACT_LAYERS, "with --one-dimensional-input")
        results = [one_dimensional_survival(layers) for layers in with_progress(networks, "networks")]
        title = "exact P(alive) of plain ReLU networks without biases on inputs of dimension 1"
    elif inputs is not None:
        from neurondeath.simulations.inputs.input_sets import read_points

        check_exact(networks, MOST_PAIR_LAYERS, "with --inputs")
        results, data_aware = [], []
        sets: dict[int, npt.NDArray[np.float64]] = {}
        for layers in with_progress(networks, "networks"):
            dimension = input_dim or layers[0]
            if dimension not in sets:
                sets = {dimension: read_points("--inputs", inputs, dimension)}
            points = sets[dimension]
            signs = bool((points >= 0).all())
            results.append(survival_bounds(layers, input_dim=points.shape[1], bias=bias, nonnegative_inputs=signs))
            first = _first_layer(layers, points) if first_layer else {}
            dead = _dead_units(layers, points, bias, DEAD_UNIT_SECONDS / len(networks))
            data_aware.append({**_data_aware(layers, points, bias), **first, **dead})
        title = f"P(alive) of plain ReLU networks {'with' if bias else 'without'} biases on {inputs}"
    else:
        results = [
            survival_bounds(layers, input_dim=input_dim, bias=bias, nonnegative_inputs=nonnegative_inputs)
            for layers in with_progress(networks, "networks")
        ]
        of_signs = "non-negative inputs" if nonnegative_inputs else "inputs of both signs"
        title = f"P(alive) of plain ReLU networks {'with' if bias else 'without'} biases, {of_signs}"

    def document() -> Any:
        documents = [{**_record(result, per_layer), **more} for result, more in zip(results, data_aware, strict=True)]
        return documents[0] if len(documents) == 1 else {"bounds": documents}

    flat: dict[str, list[Any]] = {}
    for result, more in zip(results, data_aware, strict=True):
        layers = [result.depth - 1]
        if per_layer:
            layers = shown_layers(result.depth) if output is Format.table else list(range(result.depth))
        for name, values in {"widths": [short_widths(result.widths)] * result.depth, **result.columns()}.items():
            flat.setdefault(name, []).extend(values[layer] for layer in layers)
        for name, value in more.items():
            flat.setdefault(name, []).append(value)
    show(
        flat,
        output,
        chosen=columns,
        title=title,
        notes=[*([str(results[0])] if len(results) == 1 else []), *flat.get("withheld", [])[:1]],
        layout=Layout(
            keys=("widths", "depth"),
            priority=PRIORITY,
            prose=("withheld",),
            shown=tuple(name for name in flat if name != "withheld"),
        ),
        json=document,
    )


def _data_aware(layers: Sequence[int], points: npt.NDArray[np.float64], bias: bool) -> dict[str, Any]:
    """Compute the bounds from pairs of points, or the reason why there are none."""
    if bias:
        reason = "de Caen and Gallot withheld: they hold without biases; leave out --bias, or give --no-bias"
        return {"de_caen": None, "gallot": None, "n_points": len(points), "n_rays": None, "withheld": reason}
    from neurondeath_theory.survival.data_aware import data_aware_bounds

    found = data_aware_bounds(points, layers)
    exact = {} if found.exact is None else {"exact": found.exact, "error": found.exact_error}
    return {"de_caen": found.de_caen, "gallot": found.gallot, **exact, "n_points": len(points), "n_rays": found.n_rays}


def _first_layer(layers: Sequence[int], points: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Compute the probability that the first layer is dead on all points."""
    from neurondeath_theory.survival.first_layer import first_layer_death

    found = first_layer_death(points, int(layers[0]))
    return {
        "first_layer_death": found.value,
        "first_layer_death_error": found.error,
        "first_layer_log10_death": found.log10_death,
        "first_layer_log10_death_low": found.log10_death_low,
        "first_layer_log10_death_high": found.log10_death_high,
        "first_layer_method": found.method,
    }


def _dead_units(layers: Sequence[int], points: npt.NDArray[np.float64], bias: bool, seconds: float) -> dict[str, Any]:
    """Estimate the expected number of dead units of the last layer; None with biases of unknown variance."""
    if bias:
        return {"dead_units": None, "dead_units_stderr": None}
    from neurondeath.simulations.dead_units import dead_unit_count
    from neurondeath.simulations.kernels.jit import is_compiled
    from neurondeath_theory.networks.network import Network

    if not is_compiled():
        message("compiling the sampling kernels, once per version (some ten seconds)")

    network = Network([int(width) for width in layers], input_dim=points.shape[1])
    found = dead_unit_count(network, points, max_seconds=seconds)
    return {"dead_units": found.dead_units[-1], "dead_units_stderr": found.dead_units_stderr[-1]}


def _record(result: "SurvivalBounds | OneDimensionalSurvival", per_layer: bool) -> dict[str, Any]:
    """Return plain data of one network: its last layer, and with `per_layer` every layer."""
    columns = result.columns()
    one_width = bool((result.widths == result.widths[0]).all())
    assumptions: dict[str, Any] = {"input_dim": 1, "bias": False}
    if isinstance(result, SurvivalBounds):
        assumptions = {
            "input_dim": result.input_dim,
            "bias": result.bias,
            "nonnegative_inputs": result.nonnegative_inputs,
        }
    elif result.withheld is not None:
        assumptions |= {"lower": None, "upper": None, "withheld": result.withheld}
    return {
        **({"width": result.widths[0]} if one_width else {"widths": result.widths}),
        **{name: values[-1] for name, values in columns.items() if name != "width"},
        **assumptions,
        **({"layers": records(columns)} if per_layer else {}),
    }
