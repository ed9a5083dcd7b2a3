"""`neurondeath lint`: fail when an architecture is born dead or collapsed too often, for hooks and CI."""

from dataclasses import replace
from typing import Annotated

import typer

from neurondeath.commands.lint_verdict import LintVerdict, judge_range, width_range
from neurondeath.commands.network_layers import LARGEST_PAIR_WIDTH, check_exact, read_layers
from neurondeath.commands.output_options import Format, FormatOption
from neurondeath.commands.quick_lint import MAX_DEAD, print_verdict
from neurondeath.commands.show import show
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = ["lint"]

MOST_EXACT_LAYERS = 20_000
NETWORKS = 20
MOST_NETWORKS = 100_000
MAX_COLLAPSED = 0.05


def lint(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="Function that builds a PyTorch model: module:function or file.py:function."
        ),
    ] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of the hidden layers, e.g. 8,8,16.")] = None,
    width: Annotated[int | None, typer.Option(help="Width of every hidden layer, with --depth.")] = None,
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers.")] = None,
    input_dim: Annotated[
        int | None, typer.Option(help="Input dimension.  [default: 1; that of --inputs with them]")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Draw networks and pass these points: gaussian:64, digits:256, a .npy file.")
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(help="Shape of one point of MODEL, e.g. 3,32,32, if its first layer does not imply it."),
    ] = None,
    max_dead: Annotated[float, typer.Option(help="Largest allowed probability of being born dead.")] = MAX_DEAD,
    max_collapsed: Annotated[
        float, typer.Option(help="Largest allowed share of networks that do not tell points apart.")
    ] = MAX_COLLAPSED,
    networks: Annotated[int, typer.Option(help="Networks to draw.")] = NETWORKS,
    seed: Annotated[int, typer.Option(help="Seed of the networks and of random points.")] = 0,
    output: FormatOption = Format.table,
) -> None:
    """Fail when a network is born dead, or born unable to tell points apart, more often than allowed.

    Exit code 0: allowed; 1: more often than allowed, or not certainly less; 2: bad input. One line says which, the
    lines after it say why. Widths alone are judged by theory, at once; --inputs draws networks.
    """
    most = check_real("--max-dead", max_dead, low=0.0, high=1.0)
    most_collapsed = check_real("--max-collapsed", max_collapsed, low=0.0, high=1.0)
    count = check_count("--networks", networks, least=2, most=MOST_NETWORKS)
    check_count("--seed", seed, least=0)
    if model is not None:
        if inputs is None:
            raise invalid("--inputs", "be given with MODEL", None, "pass --inputs digits")
        judge = import_or_explain("neurondeath.commands.lint_models").lint_model
        verdict = judge(model, inputs, input_shape, count, seed, (most, most_collapsed))
    else:
        layers = list(_layers(widths, width, depth))
        dimension = None if input_dim is None else check_count("--input-dim", input_dim)
        if inputs is None:
            verdict = _of_widths(layers, dimension or 1, most)
        else:
            judge = import_or_explain("neurondeath.commands.lint_networks").lint_networks
            verdict = judge(layers, inputs, dimension, count, seed, (most, most_collapsed))
    if output is Format.csv:
        show({name: [value] for name, value in verdict.document().items() if name != "reasons"}, output)
    else:
        print_verdict(verdict, output.value)
    raise typer.Exit(0 if verdict.passed else 1)


def _layers(widths: str | None, width: int | None, depth: int | None) -> list[int]:
    for name, value in (("--width", width), ("--depth", depth)):
        if value is not None:
            check_count(name, value)
    networks = read_layers(None if width is None else str(width), None if depth is None else str(depth), widths)
    return list(networks[0])


def _of_widths(layers: list[int], input_dim: int, most: float) -> LintVerdict:
    """Judge widths by theory; where the quick range does not decide, by the exact value."""
    found = width_range(layers, input_dim)
    if input_dim == 1 and found.low <= most < found.high and max(layers) <= LARGEST_PAIR_WIDTH:
        from neurondeath_theory.survival.born_dead import one_dimensional_survival

        check_exact([layers], MOST_EXACT_LAYERS, "for one-dimensional inputs")
        exact = one_dimensional_survival(layers)
        columns = exact.columns()
        dead = 10.0 ** float(columns["log10_death"][-1])
        error = dead * float(columns["death_relative_error"][-1])
        low, high = max(found.low, dead - error), min(found.high, dead + error)
        found = replace(found, low=low, high=max(low, high))
    return judge_range(layers, found, most, opposite=input_dim == 1)
