r"""The transition operator of the angle between two points, from one zero-bias Gaussian ReLU layer to the next.

Model: two layer inputs at angle $\theta$ give n iid pairs $(z_1, z_2)$ of standard normals with correlation
$\cos\theta$; both points survive when both $\mathrm{relu}(z_1), \mathrm{relu}(z_2) \in R^n$ are nonzero, and
$\theta' \in [0, \pi/2]$ is the angle between the two. Wanted: $(K f)(\theta) = E[f(\theta'); \text{both survive}]$.

Method. Let $A = |\mathrm{relu}(z_1)|^2$, $B = |\mathrm{relu}(z_2)|^2$, $C$ the inner product, $c = C/\sqrt{AB}$. The
measure $dx\,dy/(xy)$ does not depend on the scales of x and y, hence for $\kappa \le 1$

$\iint \frac{dx\,dy}{xy} [e^{-(x^2 A + y^2 B)/2 + \kappa x y C} - e^{-(x^2 A + y^2 B)/2}] = J(\kappa c), \quad
J(\zeta) = \tfrac12 \arcsin\zeta\,(\pi + \arcsin\zeta)$

(polar coordinates leave $-\int \ln(1 - \zeta \sin 2\psi) d\psi / \sin 2\psi$, whose derivative is elementary). Units
are independent, so $E J(\kappa c)$ is the same double integral of $g_\kappa^n - g_0^n$, with g the transform of one
unit, a sum over quadrants: a Gaussian quadrant integral is an angle divided by the root of a determinant,

$2\pi g = (\pi - \theta) + a(x)/\sqrt{1 + x^2} + a(y)/\sqrt{1 + y^2} + (\pi - b)/\sqrt\Delta$,
$a(x) = \mathrm{atan2}(S\sqrt{1+x^2}, \rho)$, $b = \mathrm{atan2}(S\sqrt\Delta, \rho + \kappa x y S^2)$,
$\Delta = 1 + x^2 + y^2 - 2\rho\kappa x y + (1 - \kappa^2) S^2 x^2 y^2$, $\rho = \cos\theta$, $S = \sin\theta$.

A dead point has C = 0 and adds nothing. The functions 1 and $J(\kappa_j \cos\theta)$ have their branch points at
$\pm i\,\mathrm{arccosh}(1/\kappa_j)$; with these spread geometrically towards 0 they resolve functions of $\theta$ with
singularities at 0 (such as $\theta^2 \log\theta$, which the operator makes) to 8 digits and more with some 25 terms.
K is then a small matrix on nodal values of f. Trapezoidal sums in variables that follow the ridge x = y converge
exponentially. No sampling.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["AngleOperator", "angle_operators", "coefficients", "decay", "evaluate", "nodes", "start_row"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

SPREAD = (1e-4, 4.0, 29)  # distances of the branch points from the angle 0: least, greatest, number
SMOOTH = (1.0, -1.0, -0.95, -0.75, -0.5, -0.25)  # kappa of further functions; 1, -1 and the constant give the parabolas
RESOLUTION = 1e-9  # relative size below which further functions add only noise
COARSER_BY = 4  # number of functions that the second, coarser operator omits
NEGLIGIBLE = 1e-14  # bound on the integrand below which nodes are left out
CHECK_STEP = 0.8  # step of the sums that measure the quadrature error, relative to the step in use
BANDS = (2, 128, 1024, 8192, 65536, 524288)  # widths between two of these share their integration nodes


@dataclass(frozen=True)
class AngleOperator:
    """K of one width: matrices on the values at `nodes(coarse)`, and the error of the moments behind them."""

    fine: Array
    coarse: Array
    quadrature_error: float

    def matrix(self, coarse: bool) -> Array:
        """Return the fine or the coarse matrix."""
        return self.coarse if coarse else self.fine


def angle_operators(widths: Iterable[int]) -> dict[int, AngleOperator]:
    """Return the operators of these widths, each at least 2; compute those not yet cached in this process."""
    wanted = sorted(set(widths))
    missing = [width for width in wanted if width not in _cached]
    for low, high in pairwise(BANDS):
        group = [width for width in missing if low <= width < high]
        if group:
            _cached.update(_build(group))
    return {width: _cached[width] for width in wanted}


def nodes(coarse: bool) -> Array:
    """Angles from 0 to pi/2, both included, at which functions of the angle are tabulated."""
    chosen = _functions()
    return chosen.nodes[chosen.coarse_nodes] if coarse else chosen.nodes


def decay(angles: Array | float, width: int) -> Array:
    """2^n P(both points die in a layer of width n) = (1 - angle/pi)^n."""
    return np.asarray(np.maximum(1.0 - np.asarray(angles) / math.pi, 0.0) ** width)


def start_row(angle: float, width: int, coarse: bool) -> Array:
    """Row that maps nodal values of f to E[f(theta'); both survive] for a layer started at any angle in [0, pi]."""
    fine, coarser = _start_rows(angle, width)
    return coarser if coarse else fine


def coefficients(values: Array, coarse: bool) -> Array:
    """Coefficients of the functions from nodal values; zero for those that the coarser set omits."""
    chosen = _functions()
    if not coarse:
        return np.asarray(np.linalg.solve(chosen.table, values))
    result = np.zeros(chosen.nodes.size)
    result[chosen.coarse_columns] = np.linalg.solve(chosen.coarse_table, values)
    return result


def evaluate(angles: Array, coefficients: Array) -> Array:
    """Sum the functions with these coefficients at angles in [0, pi/2], shape (m,), in slices that fit a cache."""
    result = np.full(angles.shape, coefficients[0])
    for first in range(0, angles.size, 8192):
        part = slice(first, first + 8192)
        cosine = np.cos(angles[part])
        for kappa, coefficient in zip(_functions().kappa, coefficients[1:], strict=True):
            result[part] += coefficient * _probe(kappa * cosine)
    return result


_cached: dict[int, AngleOperator] = {}


def _build(widths: list[int]) -> dict[int, AngleOperator]:
    chosen = _functions()
    moments = np.stack([_moments(angle, widths, chosen.kappa) for angle in chosen.nodes], axis=1)
    checked = [1, chosen.nodes.size - 1]
    again = np.stack([_moments(chosen.nodes[i], widths, chosen.kappa, CHECK_STEP) for i in checked], axis=1)
    errors = np.abs(moments[:, checked] - again).max(axis=(1, 2))
    result = {}
    for width, values, error in zip(widths, moments, errors, strict=True):
        fine, coarse = _rows(chosen.nodes, width, values)
        result[width] = AngleOperator(fine, coarse[chosen.coarse_nodes], float(error))
    return result


@cache
def _start_rows(angle: float, width: int) -> tuple[Array, Array]:
    if angle >= math.pi:  # the survivors are orthogonal
        alive = float(_both_survive(np.array(angle), width))
        return alive * np.eye(nodes(False).size)[-1], alive * np.eye(nodes(True).size)[-1]
    fine, coarse = _rows(np.array([angle]), width, _moments(angle, [width], _functions().kappa))
    return fine[0], coarse[0]


def _rows(angles: Array, width: int, moments: Array) -> tuple[Array, Array]:
    """Turn moments, shape (n_angles, n_kappa), into rows on the nodal values of the fine and the coarse functions."""
    chosen = _functions()
    values = np.column_stack([_both_survive(angles, width), moments])
    # solving keeps the mass and the atoms to 1e-15, multiplying by an inverse would not
    fine = np.asarray(np.linalg.solve(chosen.table.T, values.T).T, dtype=np.float64)
    coarse = np.linalg.solve(chosen.coarse_table.T, values[:, chosen.coarse_columns].T).T.astype(np.float64)
    for rows in (fine, coarse):  # parallel points stay parallel
        rows[angles == 0.0] = 0.0
        rows[angles == 0.0, 0] = 1.0 - 2.0**-width
    return fine, coarse


@dataclass(frozen=True)
class _Functions:
    """Functions 1, J(kappa_j cos theta) and the nodes that determine them; `table` holds the functions at the nodes."""

    kappa: Array
    nodes: Array
    table: Array
    coarse_columns: Index
    coarse_nodes: Index
    coarse_table: Array


@cache
def _functions() -> _Functions:
    """Choose functions and nodes by pivoted QR among many candidates."""
    from scipy.linalg import qr

    candidates = np.concatenate([1.0 / np.cosh(np.geomspace(*SPREAD)), SMOOTH])
    angles = np.concatenate([[0.0], np.geomspace(1e-7, 0.1, 1500), np.linspace(0.1, math.pi / 2, 1001)[1:]])
    table = np.column_stack([np.ones(angles.size), _probe(np.outer(np.cos(angles), candidates))])
    triangle, order = qr(table, pivoting=True, mode="r")
    size = np.abs(np.diag(triangle))
    chosen = order[: int((size > RESOLUTION * size[0]).sum())]
    columns = table[:, np.concatenate([[0], chosen[chosen != 0]])]
    kappa = candidates[chosen[chosen != 0] - 1]
    at = _spread(columns)
    fewer = np.arange(columns.shape[1] - COARSER_BY)  # the pivots come in order of importance
    coarse_at = _spread(columns[np.ix_(at, fewer)])
    coarse_table = columns[np.ix_(at[coarse_at], fewer)]
    return _Functions(kappa, angles[at], columns[at], fewer, coarse_at, coarse_table)


def _spread(columns: Array) -> Index:
    """Pick the first and the last row, and further ones on which the columns are as independent as possible."""
    from scipy.linalg import qr

    basis, _ = np.linalg.qr(columns)
    ends, _ = np.linalg.qr(basis[[0, -1]].T)
    rest = basis - (basis @ ends) @ ends.T
    _, order = qr(rest.T, pivoting=True, mode="r")
    last = len(columns) - 1
    between = order[(order != 0) & (order != last)][: columns.shape[1] - 2]
    return np.sort(np.concatenate([[0, last], between])).astype(np.intp)


def _both_survive(angles: Array, width: int) -> Array:
    return np.asarray(1.0 - 2.0 ** (1 - width) + 2.0**-width * decay(angles, width))


def _probe(cosine: Array) -> Array:
    """J, the function whose expectation is a double integral of the n-th power of one unit's transform."""
    arcsine = np.arcsin(np.clip(cosine, -1.0, 1.0))
    return np.asarray(0.5 * arcsine * (math.pi + arcsine))


def _step(width: int) -> float:
    """Step for a quadrature error near 1e-10: the strip in which g^n stays bounded narrows as n grows."""
    return float(max(0.16, 0.37 - 0.019 * math.log2(width)))


def _moments(angle: float, widths: Sequence[int], kappa: Array, refine: float = 1.0) -> Array:
    """E[J(kappa c); both survive] for widths of one band and all kappa, shape (n_widths, n_kappa)."""
    # one function at a time: arrays that fit a cache, and that the allocator can reuse
    return np.stack([_moments_of_one(angle, widths, factor, refine) for factor in kappa.tolist()], axis=1)


def _moments_of_one(angle: float, widths: Sequence[int], kappa: float, refine: float) -> Array:
    if angle <= 0.0 or angle >= math.pi:  # the survivors are parallel, respectively orthogonal
        value = float(_probe(np.array(kappa))) if angle <= 0.0 else 0.0
        return np.array([value * float(_both_survive(np.array(angle), width)) for width in widths])
    sine, cosine = math.sin(angle), math.cos(angle)
    least = min(widths)
    low, high = next((low, high) for low, high in pairwise(BANDS) if least < high)
    step = _step(high) * refine
    reach = -math.log(NEGLIGIBLE)
    # x = scale e^(v/2), y = scale e^(-v/2), dx dy/(x y) = dlog(scale) dv; the integrand is even in v
    scale = np.exp(np.arange(-0.5 * (reach + math.log(low)), 0.85 * reach, step))
    product = scale * scale
    # Delta = ridge + 4 scale^2 sinh^2(v/2); 1 - rho kappa without cancellation
    off = (1.0 - kappa) + 2.0 * kappa * math.sin(angle / 2) ** 2
    ridge = 1.0 + 2.0 * product * off + (1.0 - kappa) * (1.0 + kappa) * (sine * product) ** 2
    narrow = np.sqrt(ridge / math.sqrt(low * high))
    stretch = narrow / (narrow + 2.0 * scale)  # sinh(v/2) = stretch sinh(omega): the nodes follow the ridge v = 0
    end = np.minimum(math.sinh(0.5 * reach), _negligible_from(angle, least, step) / scale)
    lengths = (np.arcsinh(end / stretch) / step).astype(np.int64) + 1

    cells = np.repeat(np.arange(scale.size), lengths)
    position = np.arange(cells.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    table = np.arange(lengths.max()) * step
    sinh, cosh = np.sinh(table), np.cosh(table)
    cosh[0] *= 0.5
    stretch_at, xy = stretch[cells], product[cells]
    half = stretch_at * sinh[position]
    cosh_half = np.sqrt(1.0 + half * half)
    weight = stretch_at * cosh[position] / cosh_half * (4.0 * step * step)
    growth = (half + cosh_half) ** 2
    x1, y1 = np.sqrt(1.0 + xy * growth), np.sqrt(1.0 + xy / growth)
    root = np.sqrt(ridge[cells] + 4.0 * xy * half * half)
    ceiling = 0.5 - angle / (2 * math.pi) + 0.25 / x1 + 0.25 / y1 + 0.5 / root  # above g
    power = np.exp((least - 1) * np.log(np.minimum(ceiling, 1.0)))
    keep = np.flatnonzero(weight * xy * least / (x1 * y1 * np.minimum(root, x1 * y1)) * power > NEGLIGIBLE)
    x1, y1, root, xy, weight = x1[keep], y1[keep], root[keep], xy[keep], weight[keep]

    # atan2(p, q) = pi/2 - arctan(q/p) for p > 0, a third of the time
    slope = cosine / sine
    single = (0.5 * math.pi - np.arctan(slope / x1)) / x1 + (0.5 * math.pi - np.arctan(slope / y1)) / y1
    single += math.pi - angle
    joint = (0.5 * math.pi + np.arctan((slope + kappa * sine * xy) / root)) / root
    apart = np.sqrt(x1 * x1 + y1 * y1 - 1.0 + (sine * xy) ** 2)
    free = (0.5 * math.pi + np.arctan(slope / apart)) / apart
    joint, free = (single + joint) / (2 * math.pi), (single + free) / (2 * math.pi)
    log_joint, log_free = np.log(joint), np.log(free)
    result = np.empty(len(widths))
    power_joint = power_free = np.empty(0)
    for i, width in enumerate(widths):
        if i > 0 and width == widths[i - 1] + 1:
            power_joint *= joint
            power_free *= free
        else:
            power_joint, power_free = np.exp(width * log_joint), np.exp(width * log_free)
        result[i] = weight @ (power_joint - power_free)
    return result


def _negligible_from(angle: float, least: int, step: float) -> float:
    """Return scale sinh(v/2) from which on the integrand is NEGLIGIBLE for every larger v; infinity for narrow layers.

    y1 >= 1, and with D = 1 + 4 scale^2 sinh^2(v/2) both x1^2 >= D and root^2 >= D: the ceiling of g is at most
    3/4 - angle/(2 pi) + 3/(4 sqrt D), and the factor in front of its power at most 4 step^2 least.
    """
    if least == 1:
        return math.inf
    ceiling = (NEGLIGIBLE / (4.0 * step * step * least)) ** (1.0 / (least - 1))
    room = ceiling - 0.75 + angle / (2 * math.pi)
    if room <= 0.0:
        return math.inf
    return 0.5 * math.sqrt(max((0.75 / room) ** 2 - 1.0, 0.0))
