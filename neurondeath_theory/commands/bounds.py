"""`neurondeath bounds`: bounds on the survival of plain ReLU networks."""

from typing import Annotated, Any

import typer

from neurondeath_theory._console import (
    Format,
    FormatOption,
    print_csv,
    print_json,
    print_table,
    read_layers,
    shown_layers,
)
from neurondeath_theory.survival import SurvivalBounds, survival_bounds

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
    per_layer: Annotated[bool, typer.Option("--per-layer", help="Give every layer, not only the last.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Bound the probability that a plain ReLU network is born alive, and give its exact mean living ratio."""
    results = [
        survival_bounds(layers, input_dim=input_dim, bias=bias, nonnegative_inputs=nonnegative_inputs)
        for layers in read_layers(width, depth, widths)
    ]
    if output is Format.json:
        records = [_record(result, per_layer) for result in results]
        print_json(records[0] if len(records) == 1 else {"bounds": records})
        return
    columns: dict[str, list[Any]] = {}
    for result in results:
        shown = [result.depth - 1]
        if per_layer:
            shown = shown_layers(result.depth) if output is Format.table else list(range(result.depth))
        for name, values in {"widths": [_short(result)] * result.depth, **result.columns()}.items():
            columns.setdefault(name, []).extend(values[layer] for layer in shown)
    if output is Format.csv:
        print_csv(columns)
        return
    inputs = "non-negative inputs" if nonnegative_inputs else "inputs of both signs"
    print_table(
        columns,
        title=f"P(alive) of plain ReLU networks {'with' if bias else 'without'} biases, {inputs}",
        notes=[str(results[0])] if len(results) == 1 else [],
    )


def _record(result: SurvivalBounds, per_layer: bool) -> dict[str, Any]:
    """Plain data of one network: its last layer, and every layer if wanted."""
    columns = result.columns()
    same = bool((result.widths == result.widths[0]).all())
    layers = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] if per_layer else []
    return {
        **({"width": result.widths[0]} if same else {"widths": result.widths}),
        **{name: values[-1] for name, values in columns.items() if name != "width"},
        "input_dim": result.input_dim,
        "bias": result.bias,
        "nonnegative_inputs": result.nonnegative_inputs,
        **({"layers": layers} if per_layer else {}),
    }


def _short(result: SurvivalBounds) -> str:
    if (result.widths == result.widths[0]).all():
        return f"{result.widths[0]} x {result.depth}"
    return ",".join(str(width) for width in result.widths[:8]) + (",..." if result.depth > 8 else "")
