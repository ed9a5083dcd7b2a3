"""`neurondeath bounds`: bounds on the survival of a plain ReLU network."""

from typing import Annotated

import typer

from neurondeath_theory._console import Format, FormatOption, parse_counts, print_csv, print_json, print_table
from neurondeath_theory._validation import check_count, invalid
from neurondeath_theory.survival import SurvivalBounds, survival_bounds

__all__ = ["bounds"]

SHOWN_LAYERS = 50  # layers of a table before it thins out


def bounds(
    width: Annotated[int | None, typer.Option(help="Width of every hidden layer.")] = None,
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers.")] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of the hidden layers, as 8,8,16.")] = None,
    input_dim: Annotated[int | None, typer.Option(help="Input dimension.")] = None,
    bias: Annotated[bool, typer.Option(help="Whether the layers have random biases.")] = True,
    nonnegative_inputs: Annotated[
        bool, typer.Option("--nonnegative-inputs", help="All inputs lie in the non-negative orthant.")
    ] = False,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="Give every layer, not only the last.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Bound the probability that a plain ReLU network is born alive, and give its exact mean living ratio."""
    layers = read_layers(width, depth, widths)
    result = survival_bounds(layers, input_dim=input_dim, bias=bias, nonnegative_inputs=nonnegative_inputs)
    _print(result, output, per_layer)


def read_layers(width: int | None, depth: int | None, widths: str | None) -> list[int]:
    """Read hidden widths from `--width W --depth K` or `--widths 8,8,16`."""
    if widths is not None:
        if width is not None or depth is not None:
            raise invalid("--widths", "stand alone, without --width and --depth", widths)
        return parse_counts("--widths", widths)
    if width is None or depth is None:
        missing = "--width" if width is None else "--depth"
        raise invalid(missing, "be given", None, "give --width W --depth K, or --widths 8,8,16")
    most = 10_000_000  # layers that fit in memory with all their bounds
    return [check_count("--width", width)] * check_count("--depth", depth, most=most)


def _print(result: SurvivalBounds, output: Format, per_layer: bool) -> None:
    columns = {name: list(values) for name, values in result.columns().items()}
    last = {name: values[-1] for name, values in columns.items() if name != "width"}
    if output is Format.csv:
        print_csv(columns if per_layer else {name: values[-1:] for name, values in columns.items()})
        return
    if output is Format.json:
        widths = result.widths
        same = {"width": widths[0]} if (widths == widths[0]).all() else {"widths": widths}
        given = {
            "input_dim": result.input_dim,
            "bias": result.bias,
            "nonnegative_inputs": result.nonnegative_inputs,
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        print_json({**same, **last, **given, **({"layers": rows} if per_layer else {})})
        return
    shown = range(result.depth) if per_layer else [result.depth - 1]
    if per_layer and result.depth > SHOWN_LAYERS:
        shown = shown_layers(result.depth)
    biases = "with" if result.bias else "without"
    inputs = "non-negative inputs" if result.nonnegative_inputs else "inputs of both signs"
    print_table(
        {name: [values[i] for i in shown] for name, values in columns.items()},
        title=f"P(alive) of a plain ReLU network {biases} biases, {inputs}",
        notes=[str(result)],
    )


def shown_layers(depth: int) -> list[int]:
    """Pick layers 1, 2, 5, 10, 20, 50, ... and the last, as indices from 0, when a table would grow too long.

    Examples
    --------
    >>> [index + 1 for index in shown_layers(120)]
    [1, 2, 5, 10, 20, 50, 100, 120]
    """
    ladder = (step * 10**power for power in range(len(str(depth))) for step in (1, 2, 5))
    return [layer - 1 for layer in ladder if layer < depth] + [depth - 1]
