"""`neurondeath bounds`: bounds on the survival of plain ReLU networks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from neurondeath.commands.console import (
    Format,
    FormatOption,
    print_csv,
    print_json,
    print_table,
    read_layers,
    shown_layers,
)
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.widths import short_widths
from neurondeath_theory.survival.bounds import SurvivalBounds, survival_bounds

if TYPE_CHECKING:
    from neurondeath_theory.survival.born_dead import OneDimensionalSurvival

__all__ = ["bounds"]


def bounds(
    width: Annotated[str | None, typer.Option(help="Width of every hidden layer; several as 2,4,8 or 2:16:2.")] = None,
    depth: Annotated[str | None, typer.Option(help="Number of hidden layers; several as 10,100.")] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of one network, layer by layer, as 8,8,16.")] = None,
    input_dim: Annotated[int | None, typer.Option(help="Input dimension.")] = None,
    bias: Annotated[bool, typer.Option(help="Whether the layers have random biases.")] = True,
    nonnegative_inputs: Annotated[
        bool, typer.Option("--nonnegative-inputs", help="All inputs lie in the non-negative orthant.")
    ] = False,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="Add bounds for these points: gaussian:64, digits:256 or a .npy or .npz file. Needs --no-bias."
        ),
    ] = None,
    one_dimensional_input: Annotated[
        bool,
        typer.Option("--one-dimensional-input", help="Exact P(alive) for input dimension 1 without biases."),
    ] = False,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="Give every layer, not only the last.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Bound the probability that a plain ReLU network is born alive, and give its exact mean living ratio."""
    networks = read_layers(width, depth, widths)
    results: Sequence[SurvivalBounds | OneDimensionalSurvival]
    aware: list[dict[str, Any]] = [{} for _ in networks]  # what the points at hand add, network by network
    if one_dimensional_input:
        for name, given in (("--input-dim", input_dim not in (None, 1)), ("--nonnegative-inputs", nonnegative_inputs)):
            if given:
                raise invalid(name, "be left out with --one-dimensional-input", input_dim or True)
        if inputs is not None:
            raise invalid("--inputs", "be left out with --one-dimensional-input: its points are the two rays", inputs)
        from neurondeath_theory.survival.born_dead import one_dimensional_survival

        results = [one_dimensional_survival(layers) for layers in networks]
        title = "exact P(alive) of plain ReLU networks without biases on inputs of dimension 1"
    elif inputs is not None:
        if per_layer:
            raise invalid("--per-layer", "be left out with --inputs, whose bounds are for the last layer", True)
        from neurondeath.simulations.inputs.input_sets import read_points

        sets = [read_points("--inputs", inputs, input_dim or layers[0]) for layers in networks]
        results = [
            survival_bounds(layers, input_dim=points.shape[1], bias=bias, nonnegative_inputs=bool((points >= 0).all()))
            for layers, points in zip(networks, sets, strict=True)
        ]
        aware = [_data_aware(layers, points, bias) for layers, points in zip(networks, sets, strict=True)]
        title = f"P(alive) of plain ReLU networks {'with' if bias else 'without'} biases on {inputs}"
    else:
        results = [
            survival_bounds(layers, input_dim=input_dim, bias=bias, nonnegative_inputs=nonnegative_inputs)
            for layers in networks
        ]
        signs = "non-negative inputs" if nonnegative_inputs else "inputs of both signs"
        title = f"P(alive) of plain ReLU networks {'with' if bias else 'without'} biases, {signs}"
    if output is Format.json:
        records = [{**_record(result, per_layer), **more} for result, more in zip(results, aware, strict=True)]
        print_json(records[0] if len(records) == 1 else {"bounds": records})
        return
    columns: dict[str, list[Any]] = {}
    for result, more in zip(results, aware, strict=True):
        shown = [result.depth - 1]
        if per_layer:
            shown = shown_layers(result.depth) if output is Format.table else list(range(result.depth))
        for name, values in {"widths": [short_widths(result.widths)] * result.depth, **result.columns()}.items():
            columns.setdefault(name, []).extend(values[layer] for layer in shown)
        for name, value in more.items():
            columns.setdefault(name, []).append(value)
    if output is Format.csv:
        print_csv(columns)
        return
    withheld = columns.pop("withheld", [])[:1]
    print_table(columns, title=title, notes=[*([str(results[0])] if len(results) == 1 else []), *withheld])


def _data_aware(layers: Sequence[int], points: npt.NDArray[np.float64], bias: bool) -> dict[str, Any]:
    """Bounds from the pairs of points, or why there are none."""
    if bias:
        reason = "de Caen and Gallot withheld: they hold for networks without biases; give --no-bias"
        return {"de_caen": None, "gallot": None, "n_points": len(points), "n_rays": None, "withheld": reason}
    from neurondeath_theory.survival.data_aware import data_aware_bounds

    found = data_aware_bounds(points, layers)
    exact = {} if found.exact is None else {"exact": found.exact, "error": found.exact_error}
    return {"de_caen": found.de_caen, "gallot": found.gallot, **exact, "n_points": len(points), "n_rays": found.n_rays}


def _record(result: "SurvivalBounds | OneDimensionalSurvival", per_layer: bool) -> dict[str, Any]:
    """Plain data of one network: its last layer, and every layer if wanted."""
    columns = result.columns()
    same = bool((result.widths == result.widths[0]).all())
    layers = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] if per_layer else []
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
        **({"width": result.widths[0]} if same else {"widths": result.widths}),
        **{name: values[-1] for name, values in columns.items() if name != "width"},
        **assumptions,
        **({"layers": layers} if per_layer else {}),
    }
