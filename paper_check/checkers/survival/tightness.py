"""Distance of P(alive) from its lower bound: on inputs that shrink to a point, and with depth at fixed width.

Formulas may name n[0], n[1], .. (input dimension and widths) and k (the number of layers).
"""

from itertools import pairwise

import numpy as np

from neurondeath.paper_check.checkers.findings import Sampled, names_at, sample, sampled_evidence
from neurondeath.paper_check.checkers.survival.width_two import survival_over_single_point
from neurondeath.paper_check.comparisons import all_of, compare, independent_parts, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.two_point import two_point_survival

__all__ = [
    "depth_ratio_by_quadrature",
    "depth_ratio_by_sampling",
    "shrinking_pair_by_quadrature",
    "shrinking_pair_symbolic",
    "shrinking_set_by_sampling",
]

WIDTHS = range(1, 9)
PAIR_ANGLES = (1.0, 0.1, 0.01, 0.001)
PAIR_DEPTHS = (1, 2, 5, 10, 20)
SHRUNK = 1e-6  # radius over distance from the origin, at which the effect of the set's size is far below the errors
EDGES = 10.0  # errors of the quadrature, in differences between its two resolutions


def shrinking_pair_symbolic(*, setting: Setting, limit: str) -> Evidence:
    r"""Take the limit of two points that approach each other: one layer, symbolically.

    A unit is inactive on both points at angle t with probability (pi - t)/(2 pi), the angle of the intersection of two
    half-planes over a full turn, so n independent units leave the layer alive on the pair with $1 - ((pi-t)/(2 pi))^n$.
    Its limit at t = 0 must be the formula at k = 1.
    """
    import sympy

    t, n = sympy.Symbol("t", positive=True), sympy.IndexedBase("n")
    claimed = parse_formula(limit, {"n": n, "k": sympy.Integer(1)}).doit()
    found = [sympy.limit(1 - ((sympy.pi - t) / (2 * sympy.pi)) ** width, t, 0) for width in WIDTHS]
    stated = [claimed.subs(n[1], width) for width in WIDTHS]
    wrong = [width for width, a, b in zip(WIDTHS, found, stated, strict=True) if sympy.simplify(a - b) != 0]
    end = f"the formula differs at widths {wrong}" if wrong else "the formula agrees"
    return Evidence(
        route="symbolic",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"P(one layer alive on two points) as their angle tends to 0, widths 1 to {max(WIDTHS)}: {end}",
        points=len(found),
        numbers={
            "width": list(WIDTHS),
            "limit": [str(value) for value in found],
            "claimed": [str(value) for value in stated],
        },
    )


def shrinking_pair_by_quadrature(*, setting: Setting, limit: str) -> Evidence:
    """Extrapolate to coinciding points: up to 20 layers of width 2, by quadrature of the chain of angles.

    P(alive) falls over the angles 1, 0.1, 0.01, 0.001, nearly along a straight line at the end, so its limit is taken
    to lie below the value at 0.001 by at most twice the extrapolation of the line through the last two. The
    library's exact value must agree at each angle.
    """
    depths = np.array(PAIR_DEPTHS)
    single = 0.75**depths
    curves, errors = [], []
    for angle in PAIR_ANGLES:
        ratio, error = survival_over_single_point(angle, max(PAIR_DEPTHS))
        curves.append(ratio[depths - 1] * single)
        errors.append(EDGES * (error[depths - 1] + 1e-12) * single)
        library = two_point_survival([2] * max(PAIR_DEPTHS), angle).alive[depths - 1]
        if (np.abs(library - curves[-1]) > errors[-1]).any():
            raise ArithmeticError(f"two_point_survival at angle {angle:g} disagrees with quadrature")
    last, before = curves[-1], curves[-2]
    step = last - (before - last) / 9.0  # straight line to angle 0
    low, high = step - (last - step) - 2 * errors[-1], last + errors[-1]
    claimed = np.array([float(evaluate(limit, names_at(Network([2] * k), k))) for k in PAIR_DEPTHS])
    found = compare(step, low, high, "==", claimed, precision=1e-3)
    falling = all((later < earlier).all() for earlier, later in pairwise(curves))
    worst = found.worst
    return Evidence(
        route="high precision",
        verdict=all_of([found.verdict, Verdict.CONFIRMED if falling else Verdict.INCONCLUSIVE]),
        summary=(
            f"P(alive on two points), width 2, depths {PAIR_DEPTHS}, angles {PAIR_ANGLES}: it "
            f"{'falls' if falling else 'does not fall'} with the angle; at depth {PAIR_DEPTHS[worst]} to "
            f"{step[worst]:.7f} in [{low[worst]:.7f}, {high[worst]:.7f}], claimed {claimed[worst]:.7f}"
        ),
        points=len(PAIR_DEPTHS),
        numbers={
            "depth": list(PAIR_DEPTHS),
            **{f"at angle {angle:g}": curve.tolist() for angle, curve in zip(PAIR_ANGLES, curves, strict=True)},
            "limit": step.tolist(),
            "claimed": claimed.tolist(),
        },
    )


def shrinking_set_by_sampling(*, setting: Setting, limit: str) -> Evidence:
    """Sample 64 points that shrink to one: networks of widths 2 to 5, 10 layers, in four dimensions.

    A unit separates points that lie within 1e-6 of their distance from the origin with a probability of a few 1e-6, so
    one of a network's 50 units does with a probability of some 1e-4, far below the width of the limits. The same sets
    at full size lie far above, so that the effect of the shrinking is visible.
    """
    trials = 200_000 if setting.full else 40_000
    cloud = input_set("gaussian:64", dimension=4, seed=1).points
    centre = np.full(4, 1.0)
    rows: list[Sampled] = []
    before: list[Sampled] = []
    for widths in ([2] * 10, [3] * 10, [5, 4, 3, 2], [5] * 10):
        network = Network(widths, input_dim=4)
        for radius, into in ((SHRUNK, rows), (1.0, before)):
            result = sample(
                setting, network, centre + 2.0 * radius * cloud, trials=trials, dtype="float64", engine="dense"
            )
            into.append(
                Sampled(
                    network=str(network),
                    inputs=f"64 points within about {radius:g} of their distance from the origin",
                    layer=network.depth,
                    claimed=float(evaluate(limit, names_at(network, network.depth))),
                    trials=trials,
                    hits=round(result.alive[-1] * trials),
                )
            )
    evidence = sampled_evidence(rows, "==", "P(alive) on a shrunken set", setting)
    whole = [row.hits / row.trials for row in before if row.hits is not None]
    summary = f"{evidence.summary}; before shrinking P(alive) was {min(whole):.3g} to {max(whole):.3g}"
    numbers = {**evidence.numbers, "before shrinking": whole}
    return Evidence(
        route=evidence.route, verdict=evidence.verdict, summary=summary, points=evidence.points, numbers=numbers
    )


def depth_ratio_by_quadrature(*, setting: Setting, rays: str, tolerance: float) -> Evidence:
    """Compute P(alive) on two opposite rays over a single point's survival, width 2, to depth 400, by quadrature.

    The ratio must have settled (less than a tenth of the tolerance from depth 50 on) and be the claimed number, up to
    the tolerance, half a unit of its last digit. The library's exact value must agree.
    """
    depth = 400 if setting.full else 200
    ratio, error = survival_over_single_point(np.pi, depth)
    error = EDGES * (error + 1e-12)
    library = two_point_survival([2] * depth, np.pi)
    reference = np.exp(library.log_alive - np.arange(1, depth + 1) * np.log(0.75))
    if (np.abs(reference - ratio) > error).any():
        raise ArithmeticError("two_point_survival disagrees with quadrature")
    claimed = float(evaluate(rays, {}))
    settled = float(np.abs(ratio[49:] - ratio[-1]).max())
    slack = tolerance + float(error[-1])
    found = compare(ratio[-1], ratio[-1] - slack, ratio[-1] + slack, "==", claimed, absolute=1.01 * slack)
    steady = settled <= 0.1 * tolerance
    shown = [1, 2, 3, 5, 10, 20, 50, depth]
    return Evidence(
        route="high precision",
        verdict=all_of([found.verdict, Verdict.CONFIRMED if steady else Verdict.INCONCLUSIVE]),
        summary=(
            f"P(alive) over the lower bound, two opposite rays, width 2: {ratio[-1]:.5f} +- {error[-1]:.1g} at depth "
            f"{depth}, changed by at most {settled:.1g} since depth 50; claimed {claimed:g} within {tolerance:g}"
        ),
        points=len(shown),
        numbers={
            "depth": shown,
            "ratio": [float(ratio[k - 1]) for k in shown],
            "error": [float(error[k - 1]) for k in shown],
            "library": [float(reference[k - 1]) for k in shown],
        },
    )


def depth_ratio_by_sampling(*, setting: Setting, rays: str, gaussian: str, tolerance: float) -> Evidence:
    """Sample the same ratio at depths 20, 40 and 80, on two opposite rays and on 64 Gaussian points of the plane.

    Uses the conditional estimator, whose error relative to P(alive) does not grow with depth. The claimed numbers hold
    within the tolerance, half a unit of the last digit of the coarser one.
    """
    trials = 200_000 if setting.full else 40_000
    depths = (20, 40, 80)
    kinds = (("rays", 1, rays), ("gaussian:64", 2, gaussian))
    inputs, depth, claimed, ratio, stderr = [], [], [], [], []
    for spec, dimension, formula in kinds:
        network = Network([2] * max(depths), input_dim=dimension)
        result = sample(setting, network, spec, trials=trials, estimator="conditional")
        for k in depths:
            inputs.append(spec)
            depth.append(k)
            claimed.append(float(evaluate(formula, {})))
            ratio.append(float(result.alive[k - 1] / 0.75**k))
            stderr.append(float(result.alive_stderr[k - 1] / 0.75**k))
    low, high = normal_limits(
        ratio, stderr, false_alarm=setting.false_alarm, comparisons=len(ratio), parts=independent_parts(result)
    )
    found = compare(ratio, low - tolerance, high + tolerance, "==", claimed, absolute=2.0 * tolerance)
    worst = found.worst
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=(
            f"P(alive) over the lower bound, width 2, depths {depths}, {trials} networks: "
            f"{ratio[len(depths) - 1]:.4f} on two opposite rays, {ratio[-1]:.4f} on 64 Gaussian points; the nearest to "
            f"the claim, or farthest beyond, is {inputs[worst]} at depth {depth[worst]}: "
            f"[{low[worst]:.4f}, {high[worst]:.4f}], claimed {claimed[worst]:g} within {tolerance:g}"
        ),
        points=len(ratio),
        numbers={
            "inputs": inputs,
            "depth": depth,
            "ratio": ratio,
            "low": low.tolist(),
            "high": high.tolist(),
            "claimed": claimed,
        },
    )
