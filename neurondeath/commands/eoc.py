"""`neurondeath eoc`: an edge-of-chaos design of a sparse activation, and how signals survive in it."""

from typing import Annotated, Any

import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.option_names import option_names
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.simulations.sweeps.grid_options import parse_reals
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.progress import new_display
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import CLIPPED, KINDS, EdgeOfChaos, check_scale, sparse_design

__all__ = ["eoc"]

DESIGN_LAYOUT = Layout(
    priority=(("sigma_w2", "sigma_b2"), ("tau", "m"), ("v_prime", "v_second"), "sparsity", "q"), prose=("verdict",)
)
SURVIVAL = (
    *("width", "depth", "signal", "signal_error", "gradient", "gradient_error", "q_deviation", "escape", "escape_low"),
    *("escape_high", "escape_threshold", "n_paths", "escape_n_paths", "seed"),
)
SURVIVAL_LAYOUT = Layout(
    keys=("width", "depth"),
    priority=(
        *("signal", "gradient", "escape", "escape_threshold", ("escape_low", "escape_high")),
        *(("signal_error", "gradient_error"), "q_deviation"),
    ),
)
MOST_DESIGNS = 200  # a few seconds
MOST_UNITS = 1_000_000  # of a network whose survival is sampled
QUICK_UNITS = 20_000  # sampled within seconds
HELD = ("m", "ratio")
OPTIONS = {"kind": "--activation"}


def eoc(
    activation: Annotated[str, typer.Option(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    sparsity: Annotated[
        float | None, typer.Option(help="Share of units at zero, in (0, 1); relu has 0.5 and needs none.")
    ] = None,
    v_prime: Annotated[float | None, typer.Option(help="Target V'(q*) in (0, 1), for clipped activations.")] = None,
    m: Annotated[float | None, typer.Option(help="Clipping height, instead of --v-prime.")] = None,
    q: Annotated[float, typer.Option(help="Variance q* of the pre-activations.")] = 1.0,
    larger_q: Annotated[
        str | None,
        typer.Option(help="Compare with designs at these larger q*, e.g. 2,4,8; for clipped activations with --m."),
    ] = None,
    hold: Annotated[
        str, typer.Option(metavar="m|ratio", help="What --larger-q holds fixed: m, or the ratio m/sqrt(q*).")
    ] = "m",
    scales: Annotated[
        bool, typer.Option("--scales", help="Add the depths over which variance, correlation and gradients change.")
    ] = False,
    width: Annotated[int | None, typer.Option(help="Width of every hidden layer, for survival.")] = None,
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers, for survival.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampled survival.")] = 0,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Choose weight and bias variances for a sparse activation at the edge of chaos, and report whether q is stable."""
    kind = check_choice("--activation", activation, KINDS)
    if width is not None and depth is not None:
        if check_count("--width", width) * check_count("--depth", depth) > MOST_UNITS:
            raise invalid("--width", f"give at most {MOST_UNITS} units in all layers", f"{width} x {depth}")
        check_count("--seed", seed, least=0)
    check_choice("--hold", hold, HELD)
    if kind in CLIPPED and v_prime is None and m is None:
        raise invalid("--v-prime", "be given for a clipped activation, or --m", None, "try --v-prime 0.7")
    if larger_q is not None and kind not in CLIPPED:
        raise invalid("--larger-q", "be used with a clipped activation", larger_q, f"they are {', '.join(CLIPPED)}")
    if sparsity is None:
        if kind != "relu":
            raise invalid("--sparsity", "be given", None, "give a share in (0, 1), as --sparsity 0.85")
        sparsity = 0.5
    if larger_q is not None and m is not None:
        check_scale("--q", q)
        larger = parse_reals("--larger-q", larger_q)
        if len(larger) > MOST_DESIGNS:
            raise invalid("--larger-q", f"name at most {MOST_DESIGNS} numbers", larger_q)
        if min(larger) <= q:
            raise invalid("--larger-q", f"be greater than --q, {q:g}", larger_q)
        _show_larger_variances(kind, sparsity, m, [q, *larger], hold, columns, output)
        return
    design = _design(kind, sparsity, v_prime, m, q)
    lengths = _depth_scales(design) if scales else None
    survival = None
    if width is not None and depth is not None:  # this takes some seconds
        sampled = [f"survival_{name}" for name in SURVIVAL]
        check_columns(columns, output, ("activation", *design.columns(), *sampled, *(lengths or ()), "verdict"))
        survival = _survival(design, width, depth, seed)
    _show(design, survival, lengths, columns, output)


def _design(kind: str, sparsity: float, v_prime: float | None, m: float | None, q: float) -> EdgeOfChaos:
    """Compute the design; errors name the options of the command."""
    with option_names(OPTIONS):
        return sparse_design(kind, sparsity, v_prime=v_prime, m=m, q=q)


def _survival(design: EdgeOfChaos, width: int, depth: int, seed: int) -> dict[str, Any]:
    from neurondeath_theory.gaussian_limit.escapes import escape_probability
    from neurondeath_theory.gaussian_limit.sparse_survival import sparse_survival
    from neurondeath_theory.gaussian_limit.variance_chain import variance_fluctuation

    display = new_display() if width * depth > QUICK_UNITS else None
    if display is not None:
        display.update(0.0, f"{width} x {depth} units", "sampling the survival of signals and gradients")
    chain = sparse_survival(design, width, depth, seed=seed)
    n_paths = max(chain.n_paths, 1000) if width * depth <= 10**5 else chain.n_paths
    if display is not None:
        display.update(0.7, f"{width} x {depth} units", "sampling the variance")
    escape = escape_probability(design, width, depth, n_paths=n_paths, seed=seed)
    if display is not None:
        display.close()
    return {
        "width": width,
        "depth": depth,
        "signal": float(chain.survival[-1]),
        "signal_error": float(chain.error[-1]),
        "gradient": float(chain.gradient_survival[-1]),
        "gradient_error": float(chain.gradient_error[-1]),
        "q_deviation": variance_fluctuation(design, width, depth),
        "escape": float(escape.probability[-1]),
        "escape_low": float(escape.low[-1]),
        "escape_high": float(escape.high[-1]),
        "escape_threshold": escape.threshold,
        "n_paths": chain.n_paths,
        "escape_n_paths": n_paths,
        "seed": seed,
    }


def _depth_scales(design: EdgeOfChaos) -> dict[str, Any]:
    """Compute the depth scales at the fixed point of a design."""
    from neurondeath_theory.gaussian_limit.correlation import depth_scales

    found = depth_scales(design.activation, design.q, design.sigma_w2, design.sigma_b2).columns()
    return {name: found[name][0] for name in ("variance_scale", "correlation_scale", "gradient_scale")}


def _show_larger_variances(
    kind: str, sparsity: float, m: float, q: list[float], hold: str, columns: str | None, output: Format
) -> None:
    """Write designs of one sparsity at several fixed points."""
    from neurondeath_theory.gaussian_limit.growing_variance import growing_variance

    with option_names(OPTIONS | {"q": "--larger-q"}):
        found = growing_variance(kind, sparsity, m=m, q=q, hold=hold)
    show(
        found.columns(),
        output,
        chosen=columns,
        title=f"{kind} at sparsity {sparsity:g}, {hold} fixed",
        notes=[found.finding],
        layout=Layout(keys=("q",), priority=("v_prime", "clip", "gradient_share", "fluctuation", "curvature")),
        json=lambda: {"designs": records(found.columns()), "verdict": found.finding},
    )


def _show(
    design: EdgeOfChaos,
    survival: dict[str, Any] | None,
    scales: dict[str, Any] | None,
    columns: str | None,
    output: Format,
) -> None:
    numbers = {name: values[0] for name, values in design.columns().items()}
    verdict = design.verdict
    if survival is not None:
        verdict += (
            f"; through {survival['depth']} layers of width {survival['width']} a signal survives with probability "
            f"{format_number(survival['signal'], 3)}, its gradient with {format_number(survival['gradient'], 3)}, and "
            f"q passes {format_number(survival['escape_threshold'], 4)} with {format_number(survival['escape'], 3)}"
        )
    fixed_points = [
        {"q": point.q, "v_prime": point.v_prime, "chi1": point.chi1, "stable": point.stable, "kind": point.stability}
        for point in design.fixed_points.points
    ]
    document = {
        "activation": str(design.activation),
        **numbers,
        "fixed_points": fixed_points,
        "every_q_is_fixed": design.fixed_points.continuum,
        "survival": survival,
        **({} if scales is None else {"depth_scales": scales}),
        "verdict": verdict,
    }
    prefixed = {f"survival_{name}": value for name, value in (survival or {}).items()}
    row = {"activation": str(design.activation), **numbers, **prefixed, **(scales or {}), "verdict": verdict}
    title = f"Edge of chaos of {design.activation}"
    notes = [str(design.fixed_points)]
    tables = [Table(columns=_as_columns(numbers), title=title, notes=notes, layout=DESIGN_LAYOUT)]
    if survival is not None:
        title = "One input in networks of finite width"
        tables.append(Table(columns=_as_columns(survival), title=title, layout=SURVIVAL_LAYOUT))
    if scales is not None:
        title = "Depths in layers over which a wide network changes by a factor of e"
        tables.append(Table(columns=_as_columns(scales), title=title))
    show(
        _as_columns(row),
        output,
        chosen=columns,
        layout=DESIGN_LAYOUT,
        tables=tables,
        notes=[verdict],
        json=lambda: document,
    )


def _as_columns(row: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in row.items()}
