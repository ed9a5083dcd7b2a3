"""Turn the numbers of an audit into sentences, and into calls that address them."""

import math
from collections.abc import Sequence
from itertools import combinations

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS, edge_of_chaos
from neurondeath_theory.gaussian_limit.variance import chi1
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.networks.network_bounds import silences_half_the_line
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.safe_sizes import min_width
from neurondeath_torch.auditing.audited_layers import AuditedLayer
from neurondeath_torch.networks.silence import firing_rate_bound
from neurondeath_torch.networks.unit_activity import MIN_POINTS
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport

__all__ = ["judge"]

DRIFT = 10.0  # factor by which q may change over the layers
COLLAPSED = 0.99  # mean correlation at which points are hardly distinguishable
SPREAD = 0.9  # mean correlation at the first layer below which points are clearly distinguishable
OFF_CENTRE = 6.0  # standard errors beyond which a deviation is not due to chance
SPARSITY_GAP = 0.05  # least difference of sparsities, beyond chance, that is reported
CRITICAL = 0.1  # distance of chi_1 from 1 beyond which another initialisation is recommended
SURVIVAL = 0.99  # survival probability that the recommended width reaches
REDRAWING = ("he_(", "edge_of_chaos_(", "sign_flip_(", "forecast(")  # calls for a model before training
LISTED = 4  # most names listed in a sentence


def judge(
    layers: Sequence[AuditedLayer], report: DeadUnitReport, n_points: int, biased: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sentences of the verdict and the remedies, most urgent first."""
    sentences: list[str] = []
    remedies: list[str] = []
    for found, remedy in (
        _constant_outputs(report, n_points),
        _constant_inputs(report),
        _dead_layers(layers),
        _lost_points(layers, n_points),
        _collapse(layers),
        _dead_units(layers, report, n_points),
        _drift(layers),
        _off_theory(layers),
    ):
        if found:
            sentences.append(found)
            remedies += [call for call in remedy if call not in remedies]
    if any(_is_moved(layer) for layer in layers):
        remedies = [call for call in remedies if not call.startswith(REDRAWING)]
    chances = _chances(layers, biased)
    if not sentences:
        seen = "Nothing wrong was seen" if report.not_watched else "Nothing is wrong"
        sentences.append(f"{seen}: no unit is dead and all {n_points} points pass every layer.")
    unseen = _not_watched(report)
    return (*sentences, *([unseen] if unseen else []), *([chances] if chances else [])), tuple(remedies)


def _constant_outputs(report: DeadUnitReport, n_points: int) -> tuple[str, list[str]]:
    if not report.constant_outputs:
        return "", []
    return f"The outputs are the same for all {n_points} points: nothing that tells points apart reaches them.", []


def _constant_inputs(report: DeadUnitReport) -> tuple[str, list[str]]:
    found = report.constant_inputs
    if not found:
        return "", []
    named = [f"{int(columns.sum())} of {columns.size} of `{name}`" for name, columns in list(found.items())[:LISTED]]
    more = ", ..." if len(found) > LISTED else ""
    return (
        f"Inputs of weight layers are constant on all data, behind no activation that is counted ({', '.join(named)}"
        f"{more}): the units that make them carry nothing from point to point.",
        [],
    )


def _not_watched(report: DeadUnitReport) -> str:
    if not report.not_watched:
        return ""
    shown = "; ".join(f"`{name}`: {why}" for name, why in list(report.not_watched.items())[:LISTED])
    more = (
        f"; {len(report.not_watched) - LISTED} more in `report.not_watched`" if len(report.not_watched) > LISTED else ""
    )
    return f"Not watched as activations: {shown}{more}."


def _dead_layers(layers: Sequence[AuditedLayer]) -> tuple[str, list[str]]:
    dead = [layer for layer in layers if layer.dead == layer.units]
    if not dead:
        return "", []
    first = dead[0]
    more = f", and so {'is' if len(dead) == 2 else 'are'} {len(dead) - 1} more" if len(dead) > 1 else ""
    return (
        f"Activation {first.label} is dead: none of its {first.units} units is active on any point{more}; what "
        "it feeds sees constants, and no gradient passes back through it.",
        _keep_alive(layers),
    )


def _lost_points(layers: Sequence[AuditedLayer], n_points: int) -> tuple[str, list[str]]:
    known = [layer for layer in layers if layer.living_ratio is not None]
    if not known:
        return "", []
    last = known[-1]
    if last.living_ratio is None or last.living_ratio >= 1.0:
        return "", []
    lost = n_points - round(last.living_ratio * n_points)
    first = next(layer for layer in known if layer.living_ratio is not None and layer.living_ratio < 1.0)
    start = f", first at {first.label}" if first is not last else ""
    expected = ""
    if last.expected_living_ratio is not None:
        bound = "at least " if last.bounds_only else ""
        expected = f"; random weights keep {bound}{_percent(last.expected_living_ratio)} on average"
    return (
        f"{lost} of {n_points} points are lost by {last.label}{start}: some layer has no active unit on "
        f"them{expected}.",
        _keep_alive(layers),
    )


def _dead_units(layers: Sequence[AuditedLayer], report: DeadUnitReport, n_points: int) -> tuple[str, list[str]]:
    dying = [layer for layer in layers if 0 < layer.dead < layer.units]
    if not dying:
        return "", []
    total, units = sum(layer.dead for layer in dying), sum(layer.units for layer in layers)
    worst = sorted(dying, key=lambda layer: -layer.dead / layer.units)[:LISTED]
    named = ", ".join(f"{layer.dead} of {layer.units} in {layer.label}" for layer in worst)
    where = f"({named}{', ...' if len(dying) > LISTED else ''})"
    rate = _percent(firing_rate_bound(max(n_points, 1)))
    if n_points < MIN_POINTS:
        points = "this one point" if n_points == 1 else f"these {n_points} points"
        return (
            f"{total} of {units} units of living layers are silent on {points} {where}: too few to call a unit dead; "
            f"each may fire on up to {rate} of all inputs (95 % confidence).",
            [f"audit(model, loader)  # on {MIN_POINTS} points or more"],
        )
    return (
        f"{total} of {units} units are dead in living layers {where}: they are never active and learn nothing; each "
        f"fires on less than {rate} of all inputs (95 % confidence){_by_chance(report)}.",
        ["remove_dead_units(model, loader)", "reset_units(model, result.report.dead_units(by='layer'), data=loader)"],
    )


def _by_chance(report: DeadUnitReport) -> str:
    expected = report.silent_by_chance
    if expected is None or round(expected) < 1:
        return ""
    return (
        f"; at least about {round(expected)} of them are silent by chance, to judge by units that fired once or twice"
    )


def _drift(layers: Sequence[AuditedLayer]) -> tuple[str, list[str]]:
    sizes = [layer for layer in layers if layer.q > 0.0 and layer.dead < layer.units]
    if len(sizes) < 2:
        return "", []
    # the largest change from a layer to a later one, so that what grows and then falls back is not missed
    first, last = max(combinations(sizes, 2), key=lambda pair: abs(math.log(pair[1].q / pair[0].q)))
    factor = last.q / first.q
    if 1.0 / DRIFT <= factor <= DRIFT:
        return "", []
    way = "grows" if factor > 1.0 else "shrinks"
    return (
        f"q, the mean square of the pre-activations, {way} from {format_number(first.q, 3)} "
        f"at {first.label} to {format_number(last.q, 3)} at {last.label}: signals change scale.",
        _critical(layers) if _off_critical(layers) else ["wider layers  # their scale is right: q drifts by chance"],
    )


def _collapse(layers: Sequence[AuditedLayer]) -> tuple[str, list[str]]:
    known = [(layer.label, layer.correlation) for layer in layers if layer.correlation is not None]
    if len(known) < 2 or known[0][1] >= SPREAD or known[-1][1] <= COLLAPSED:
        return "", []
    (start, first), (end, last) = known[0], known[-1]
    return (
        f"Points become similar: the mean correlation of pre-activations rises from {format_number(first, 3)} at "
        f"{start} to {format_number(last, 5)} at {end}.",
        [
            "forecast(model, loader)  # whether it will learn, and which of looks_linear_, residual_ and others helps",
            *(_critical(layers) if _off_critical(layers) else []),
        ],
    )


def _off_theory(layers: Sequence[AuditedLayer]) -> tuple[str, list[str]]:
    moved = [layer for layer in layers if _is_moved(layer)]
    apart = [layer for layer in layers if layer.dead < layer.units and _gap(layer) > SPARSITY_GAP]
    parts = []
    if moved:
        parts.append(f"the weights of {len(moved)} of {len(layers)} layers are not centred at 0, as random ones are")
    if apart:
        worst = max(apart, key=_gap)
        parts.append(
            f"{worst.label} is {_percent(worst.sparsity)} sparse where random weights of its scale would give "
            f"{_percent(worst.predicted_sparsity or 0.0)}"
        )
    if not parts:
        return "", []
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}: predictions are those of random weights, not of these.", []


def _is_moved(layer: AuditedLayer) -> bool:
    """Whether training, or a start of its own, has moved the mean of a layer's weights from 0."""
    return layer.off_centre is not None and layer.off_centre > OFF_CENTRE


def _gap(layer: AuditedLayer) -> float:
    """Return how far the sparsity is from its prediction, beyond the chance deviation for a layer of that width."""
    s = layer.predicted_sparsity
    return 0.0 if s is None else abs(s - layer.sparsity) - OFF_CENTRE * math.sqrt(s * (1.0 - s) / layer.units)


def _chances(layers: Sequence[AuditedLayer], biased: bool) -> str:
    """State the probability that a newly drawn network of these widths is alive, where it is known."""
    plain = all(layer.form == relu() and layer.basis in ("data", "previous layer") for layer in layers)
    if not plain or any(layer.bounds_only for layer in layers):
        return ""
    bounds = survival_bounds([layer.units for layer in layers], bias=biased)
    low, high = bounds.lower[-1], bounds.upper[-1]
    rarity = float(bounds.log10_death_at_most[-1])
    if rarity < -4.0:
        return f"A freshly drawn network of these widths is dead with probability at most 1e{math.ceil(rarity)}."
    return (
        f"A freshly drawn network of these widths is alive on data with probability between {format_number(low, 4)} "
        f"and {format_number(high, 4)}."
    )


def _critical(layers: Sequence[AuditedLayer]) -> list[str]:
    forms = {layer.form for layer in layers}
    form = forms.pop() if len(forms) == 1 else None
    if form is None or form.family not in KINDS:
        return ["edge_of_chaos_(model, design)  # once all layers have the design's activation"]
    if form == relu():
        return ["he_(model)"]
    try:
        edge_of_chaos(form, 1.0)
    except NeuronDeathError:
        return ["edge_of_chaos_(model, design)  # this activation has no design at q = 1; see sparse_design"]
    return [f"edge_of_chaos_(model, {form}, q=1.0)"]


def _off_critical(layers: Sequence[AuditedLayer]) -> bool:
    """Check whether chi_1, averaged over the layers that have one, is not near 1."""
    known = [
        float(chi1(layer.form, layer.q, layer.sigma_w2))
        for layer in layers
        if layer.form is not None and layer.sigma_w2 is not None and layer.q > 0.0
    ]
    return bool(known) and abs(sum(known) / len(known) - 1.0) > CRITICAL


def _keep_alive(layers: Sequence[AuditedLayer]) -> list[str]:
    if not all(layer.form is not None and silences_half_the_line(layer.form) for layer in layers):
        return ["wider layers or less sparsity  # safe_width(design, depth) says how wide"]
    flip = "sign_flip_(model, loader)  # before training"
    needed = min_width(len(layers), SURVIVAL)
    if all(layer.units >= needed for layer in layers):
        return [flip]
    return [flip, f"layers of at least {needed} units  # min_width({len(layers)}, {SURVIVAL:g})"]


def _percent(share: float) -> str:
    return f"{format_number(100.0 * share, 3)} %"
