"""The program behind the polynomial coefficients of `simulations/kernels/normals.py`.

Minimax fits by the Remez exchange at 40 digits. Run `python benchmarks/fit_normals.py`; it prints the coefficients,
lowest first, and the largest weighted error of each fit.
"""

from collections.abc import Callable

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]
GRID = 2000


def remez(f: Function, weight: Function, low: mp.mpf, high: mp.mpf, degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """Fit a polynomial p that minimises max |weight (p - f)| on [low, high]."""
    nodes = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * (degree + 2)))
        for i in range(degree + 2)
    ]
    grid = [low + (high - low) * mp.mpf(i) / GRID for i in range(GRID + 1)]
    coefficients, worst = [], mp.inf
    for _ in range(30):
        system = mp.matrix([[x**j for j in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(nodes)])
        coefficients = list(mp.lu_solve(system, mp.matrix([f(x) for x in nodes])))[: degree + 1]
        errors = [weight(x) * (mp.polyval(coefficients[::-1], x) - f(x)) for x in grid]
        worst = max(abs(error) for error in errors)
        peaks = _alternating_peaks(errors)
        if len(peaks) < degree + 2:
            break
        while len(peaks) > degree + 2:
            peaks = peaks[1:] if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else peaks[:-1]
        moved = [grid[i] for i in peaks]
        if moved == nodes:
            break
        nodes = moved
    return coefficients, worst


def _alternating_peaks(errors: list[mp.mpf]) -> list[int]:
    """Return the index of the largest error in each interval of constant sign."""
    peaks, start = [], 0
    for i in range(1, len(errors) + 1):
        if i == len(errors) or mp.sign(errors[i]) != mp.sign(errors[i - 1]):
            peaks.append(max(range(start, i), key=lambda j: abs(errors[j])))
            start = i
    return peaks


def sine_tail(z: mp.mpf) -> mp.mpf:
    """Return (sin(y)/y - 1)/z with z = y^2."""
    return (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z


def cosine_tail(z: mp.mpf) -> mp.mpf:
    """Return (cos(y) - 1 + z/2)/z^2 with z = y^2."""
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def log_tail(x: mp.mpf) -> mp.mpf:
    """Return (ln(1 + x) - x + x^2/2)/x^3."""
    return (mp.log1p(x) - x + x * x / 2) / x**3 if abs(x) > 1e-9 else mp.mpf(1) / 3


def log_weight(x: mp.mpf) -> mp.mpf:
    """Return the factor from an error of the tail to the relative error of ln(1 + x)."""
    return abs(x**3 / mp.log1p(x)) if abs(x) > 1e-3 else mp.mpf("1e-6")


if __name__ == "__main__":
    mp.mp.dps = 40
    edge = (mp.pi / 4) ** 2
    fits = {
        "sine, y^3 .. y^7, relative": remez(sine_tail, lambda z: z, mp.mpf("1e-9"), edge, 2),
        "cosine, y^4 .. y^8, absolute": remez(cosine_tail, lambda z: z * z, mp.mpf("1e-6"), edge, 2),
        "logarithm, x^3 .. x^9, relative": remez(log_tail, log_weight, mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 6),
    }
    for name, (coefficients, worst) in fits.items():
        print(f"{name}: {[mp.nstr(c, 12) for c in coefficients]} error {mp.nstr(worst, 3)}")
