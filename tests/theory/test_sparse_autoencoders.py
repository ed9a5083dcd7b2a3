"""Dead features of sparse autoencoders at birth, against encoders drawn one by one, quadrature and exact cases."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.remedies.sparse_autoencoders import sparse_autoencoder_death
from neurondeath_theory.survival.never_firing import firing_cosine, isotropic_never_firing, never_firing
from tests.references.sparse_encoders import leading_components, silent_share
from tests.references.statistical import assert_agrees, assert_refutes, seeds

Array = npt.NDArray[np.float64]

ACCURACY = 0.02  # promised of the share of dead features
N_FEATURES = 8192  # with k below: a single autoencoder with a mean of gamma = 1 then has a spread of about .016


def isotropic(gamma: float) -> Array:
    rng = np.random.default_rng(1)
    return np.asarray(rng.standard_normal((400, 64)) + gamma)


def power_law(exponent: float, mean: float) -> Array:
    rng = np.random.default_rng(2)
    scale = np.arange(1, 65) ** -exponent
    return np.asarray(rng.standard_normal((400, 64)) * scale + mean * np.linalg.norm(scale) / 8.0)


@cache
def digits() -> Array:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data[:400], dtype=float)


@cache
def hidden_activations() -> Array:
    """Return the hidden activations of a small network trained on digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    points, labels = load_digits(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops before it has converged
        network = MLPClassifier((48,), max_iter=20, random_state=0).fit(points / 16.0, labels)
    hidden = np.maximum(points[:400] / 16.0 @ network.coefs_[0] + network.intercepts_[0], 0.0)
    assert network.score(points / 16.0, labels) > 0.9
    return np.asarray(hidden, dtype=float)


CASES: dict[str, tuple[Callable[[], Array], int | None]] = {
    "isotropic": (lambda: isotropic(0.0), 16),
    "isotropic, a mean": (lambda: isotropic(1.0), 64),
    "isotropic, a mean, ReLU": (lambda: isotropic(3.0), None),
    "power law": (lambda: power_law(1.0, 0.0), 64),
    "power law, a mean": (lambda: power_law(1.0, 0.5), 64),
    "power law, ReLU": (lambda: power_law(2.0, 1.0), None),
    "digits": (digits, 64),
    "digits, small k": (digits, 16),
    "hidden activations": (hidden_activations, 64),
    "hidden activations, ReLU": (hidden_activations, None),
}


def simulated(inputs: Array, k: int | None, span: Array | None = None) -> float:
    return float(np.mean([silent_share(inputs, N_FEATURES, k, span=span, seed=seed) for seed in range(2)]))


@pytest.mark.parametrize("case", CASES)
def test_the_share_of_dead_features_is_that_of_encoders_drawn_one_by_one(case: str) -> None:
    build, k = CASES[case]
    inputs = build()
    death = sparse_autoencoder_death(inputs, n_features=N_FEATURES, k=k, draws=8192)
    assert abs(death.dead - simulated(inputs, k)) <= ACCURACY
    if case.startswith("isotropic"):
        gamma = death.gamma
        closed = sparse_autoencoder_death(n_features=N_FEATURES, k=k, n_points=len(inputs), gamma=gamma)
        assert abs(closed.dead - death.dead) <= ACCURACY


@pytest.mark.parametrize(("build", "k"), [(digits, 64), (hidden_activations, 64), (lambda: power_law(1.0, 0.5), None)])
def test_every_remedy_leaves_what_it_says(build: Callable[[], Array], k: int | None) -> None:
    inputs = build()[::2]
    death = sparse_autoencoder_death(inputs, n_features=N_FEATURES, k=k, subspace=10, draws=8192)
    span = leading_components(inputs, 10)
    centred = inputs - inputs.mean(axis=0)
    expected = {"none": (inputs, None), "centred": (centred, None), "active subspace": (inputs, span)}
    for remedy in death.remedies:
        points, rows = expected.get(remedy.remedy, (centred, span))
        assert abs(remedy.dead - simulated(points, k, rows)) <= ACCURACY
        assert remedy.low <= remedy.dead <= remedy.high
    total = np.square(centred).sum()
    assert death.remedies[3].variance_kept == pytest.approx(np.square(centred @ span).sum() / total, rel=1e-9)


def test_a_mean_and_a_low_rank_are_distinguished() -> None:
    by_mean = sparse_autoencoder_death(isotropic(1.0), n_features=4096, k=32)
    by_rank = sparse_autoencoder_death(power_law(2.0, 0.0), n_features=4096, k=32)
    few = sparse_autoencoder_death(isotropic(0.0)[:20], n_features=4096, k=32)
    assert (by_mean.cause, by_rank.cause, few.cause) == ("mean", "rank", "few points")
    assert by_mean.rank < 0.05 < by_mean.mean
    assert abs(by_rank.mean) < 0.05 < by_rank.rank
    for death in (by_mean, by_rank, few):
        assert death.few_points + death.rank + death.mean == pytest.approx(death.dead, abs=1e-12)
    left = {one.remedy: one.dead for one in by_rank.remedies}
    assert left["active subspace"] < 0.5 * left["centred"]


@seeds
def test_exact_cases_are_met_within_the_standard_error(seed: int) -> None:
    one_point = sparse_autoencoder_death([[3.0, 4.0, 0.0]], n_features=100, k=20, seed=seed)
    orthant = sparse_autoencoder_death(np.eye(3), seed=seed)
    plane = sparse_autoencoder_death([[1.0, 0.0], [-1.0, 0.0]], n_features=100, k=20, seed=seed)
    estimates, errors = zip(*((one.dead, one.stderr) for one in (one_point, orthant, plane)), strict=True)
    assert_agrees(estimates, errors, [0.8, 0.125, 0.6])
    assert_refutes(estimates, errors, [0.76, 0.16, 0.6])


@seeds
def test_the_difference_that_a_mean_makes_has_the_error_of_paired_draws(seed: int) -> None:
    inputs = power_law(1.0, 0.5)[:50]
    found = [sparse_autoencoder_death(inputs, draws=500, seed=40 * seed + i) for i in range(40)]
    spread = np.std([one.mean for one in found], ddof=1)
    stated = np.mean([one.mean_stderr for one in found])
    assert_agrees(np.log(spread / stated), 1.0 / np.sqrt(2 * 39), 0.0)
    assert_refutes(np.log(2.5 * spread / stated), 1.0 / np.sqrt(2 * 39), 0.0)


@pytest.mark.parametrize("gamma", [0.0, 0.03, 0.5, 2.0, 40.0])
@pytest.mark.parametrize(("n_points", "share"), [(1, 0.5), (7, 0.3), (4000, 32 / 8192), (10**6, 1e-3)])
def test_the_closed_form_is_its_integral(gamma: float, n_points: int, share: float) -> None:
    at = np.hypot(1.0, gamma) * norm.isf(share)

    def integrand(a: float) -> float:
        return float(norm.pdf(a) * np.exp(n_points * norm.logcdf(at - gamma * a)))

    edges = [(at - norm.ppf(0.5 ** (1 / n_points)) * s) / max(gamma, 1e-9) for s in (0.8, 0.9, 1.0, 1.1, 1.3)]
    points = [float(edge) for edge in edges if abs(edge) < 9.0]
    value, _ = quad(integrand, -10.0, 10.0, points=[-6.0, -3.0, 0.0, 3.0, 6.0, *points], limit=500, epsabs=1e-13)
    assert isotropic_never_firing(gamma, n_points, share) == pytest.approx(value, rel=1e-7, abs=1e-10)


def test_limits_of_the_closed_form() -> None:
    assert isotropic_never_firing(0.0, 10, 0.5) == pytest.approx(2.0**-10, rel=1e-14)
    assert isotropic_never_firing(1e-9, 10, 0.25) == pytest.approx(0.75**10, rel=1e-7)
    assert isotropic_never_firing(1e9, 10, 0.5) == pytest.approx(0.5, rel=1e-7)
    assert isotropic_never_firing(1e300, 10, 0.25) == pytest.approx(0.75, rel=1e-7)
    shares = [isotropic_never_firing(gamma, 500, 0.01) for gamma in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert shares == sorted(shares)


def test_a_direction_exceeds_the_firing_cosine_with_its_probability() -> None:
    rng = np.random.default_rng(0)
    for dimension, share in ((2, 0.1), (3, 0.25), (40, 0.01)):
        rows = rng.standard_normal((40_000, dimension))
        above = (rows[:, 0] / np.linalg.norm(rows, axis=1) > firing_cosine(dimension, share)).mean()
        assert_agrees(above, np.sqrt(share * (1 - share) / 40_000), share)
    assert firing_cosine(7, 0.9) == firing_cosine(7, 0.5) == 0.0


def test_scale_zeros_order_and_blocks_do_not_matter() -> None:
    inputs = digits()
    death = sparse_autoencoder_death(inputs, n_features=1000, k=20, draws=1000)
    shuffled = np.vstack([inputs[::-1] * 1e-200, np.zeros((3, 64))])
    again = sparse_autoencoder_death(shuffled[:400], n_features=1000, k=20, draws=1000)
    assert death.dead == again.dead
    rows = np.random.default_rng(0).standard_normal((300, 64))
    assert (never_firing(inputs, rows, 0.02) == never_firing(shuffled, 7.0 * rows, 0.02)).all()
    cosines = (rows @ inputs.T) / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(inputs, axis=1)
    assert (never_firing(inputs, rows, 0.02) == (cosines.max(axis=1) <= firing_cosine(64, 0.02))).all()


def test_equal_and_zero_points() -> None:
    zero = sparse_autoencoder_death(np.zeros((5, 3)))
    assert (zero.dead, zero.gamma, zero.effective_rank) == (1.0, 0.0, 0.0)
    equal = sparse_autoencoder_death(np.full((5, 3), 0.1))
    assert equal.dead == pytest.approx(0.5, abs=0.05)
    assert equal.remedies[1].dead == 1.0  # nothing is left of equal points when they are centred
    assert "inf" not in str(equal)


def test_texts() -> None:
    death = sparse_autoencoder_death(n_features=8192, k=32, n_points=4000, gamma=2.0)
    assert str(death).startswith("87.5 % of the features never fire on 4000 points (few points 0 %, rank 0 %, mean")
    assert [*death.columns()][:3] == ["remedy", "dead", "stderr"]
    assert "<table" in death._repr_html_()
    assert death.to_latex().startswith(r"\begin{tabular}")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "`inputs` must be given"),
    ({"inputs": [[1.0, 2.0]], "gamma": 1.0}, "`gamma` must be left out"),
    ({"inputs": [[1.0, 2.0]], "n_points": 1}, "`n_points` must be left out"),
    ({"inputs": [[1.0], [2.0]]}, "`inputs` must have a dimension of at least 2"),
    ({"inputs": [[np.nan, 2.0]]}, "`inputs` must hold finite numbers"),
    ({"inputs": []}, "`inputs` must be a numeric array"),
    ({"inputs": [[1.0, 2.0]], "k": 3}, "`n_features` must be given with `k`"),
    ({"inputs": [[1.0, 2.0]], "k": 3, "n_features": 3}, "`k` must be less than n_features = 3"),
    ({"inputs": [[1.0, 2.0]], "k": 0, "n_features": 3}, "`k` must be a whole number"),
    ({"inputs": [[1.0, 2.0]], "subspace": 3}, "`subspace` must be at most 2"),
    ({"inputs": [[1.0, 2.0]], "draws": 10}, "`draws` must be a whole number of at least 100"),
    ({"n_points": 5, "gamma": 1.0, "subspace": 2}, "`subspace` must be left out"),
    ({"n_points": 5, "gamma": -1.0}, "`gamma` must be a finite number of at least 0"),
    ({"n_points": 0, "gamma": 1.0}, "`n_points` must be a whole number"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message.replace("(", r"\(")):
        sparse_autoencoder_death(**arguments)
