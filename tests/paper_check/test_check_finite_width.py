"""The checkers that sample: their samplers agree with each other and with exact laws, and refute wrong claims."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from neurondeath.paper_check.checkers.gaussian_limit import convolution, correlation, escapes, sparse_survival
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from tests.references.statistical import assert_agrees, assert_refutes, seeds

UNSTABLE = {"kind": "soft-threshold", "sparsity": 0.85}
STEADY = {"kind": "clipped-shifted-relu", "sparsity": 0.85, "v_prime": 0.5}


@seeds
def test_whole_networks_have_the_chains_variances(seed):
    key = tuple(sorted(STEADY.items()))
    chain = escapes._paths("chain", key, 30, 8, 4000, seed, 1)
    dense = escapes._paths("dense", key, 30, 8, 2000, seed, 1)
    other = escapes._paths("chain", tuple(sorted((STEADY | {"v_prime": 0.9}).items())), 30, 8, 4000, seed, 1)
    # the mean square of n pre-activations is q chi^2_n / n: its second moment is q^2 (1 + 2/n)
    for power, factor in ((1, 1.0), (2, 1.0 + 2.0 / 30.0)):
        measured, exact, wrong = (dense[:, -1] ** power, factor * chain[:, -1] ** power, factor * other[:, -1] ** power)
        error = np.hypot(measured.std() / np.sqrt(measured.size), exact.std() / np.sqrt(exact.size))
        assert_agrees(measured.mean(), error, exact.mean())
    assert_refutes(measured.mean(), error, wrong.mean())


@pytest.mark.parametrize("sampler", escapes.SAMPLERS)
def test_escapes_are_seen_and_their_absence_too(sampler):
    shape = {"setting": Setting(workers=1), "sampler": sampler, "width": 40, "depth": 24, "factor": 3.0}
    cases = [UNSTABLE | {"relation": ">", "right": "1/4"}, STEADY | {"relation": "<", "right": "1/10"}]
    found = escapes.escapes(**shape, cases=cases)
    assert found.verdict is Verdict.CONFIRMED
    assert found.points == 2
    turned = [UNSTABLE | {"relation": "<", "right": "1/4"}]
    assert escapes.escapes(**shape, cases=turned).verdict is Verdict.REFUTED
    grown = escapes.escapes(**shape, cases=cases[:1], growth=">")
    assert (grown.verdict, grown.points) == (Verdict.CONFIRMED, 2)
    assert escapes.escapes(**shape, cases=cases[:1], growth="<").verdict is Verdict.REFUTED


def test_a_bound_too_near_to_tell_is_inconclusive():
    shape = {"setting": Setting(workers=1), "sampler": "chain", "width": 40, "depth": 24, "factor": 3.0}
    share = escapes.escapes(**shape, cases=[UNSTABLE], relation=">", right="0").numbers["left"][0]
    found = escapes.escapes(**shape, cases=[UNSTABLE], relation=">", right=str(share))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_samples_are_shared_by_a_claim_and_its_mutations(monkeypatch):
    shape = {
        "setting": Setting(workers=1),
        "sampler": "chain",
        "width": 10,
        "depth": 4,
        "factor": 3.0,
        "cases": [STEADY],
    }
    escapes.escapes(**shape, relation="<", right="1/2")
    monkeypatch.setattr(escapes, "variance_chain", None)
    assert escapes.escapes(**shape, relation=">", right="1/2").verdict is Verdict.REFUTED


@seeds
def test_conditioned_chain_gives_the_survival_of_networks(monkeypatch, seed):
    monkeypatch.setitem(sparse_survival.PATHS, False, 4_000)
    monkeypatch.setitem(sparse_survival.NETWORKS, False, 60_000)
    design = {"kind": "clipped-shifted-relu", "sparsity": 0.85, "v_prime": 0.7, "width": 6, "depths": [2, 8]}
    setting = Setting(seed=seed, workers=1)

    def verdict(factor: str = "1 - s**n", chain: str = "conditioned") -> Verdict:
        return sparse_survival.conditioned_product(setting=setting, **design, factor=factor, chain=chain).verdict

    assert verdict() in (Verdict.CONFIRMED, Verdict.INCONCLUSIVE)  # never refuted; narrow enough only with more paths
    assert verdict(chain="unconditioned") is Verdict.REFUTED
    assert verdict(factor="1 - s**(n + 1)") is Verdict.REFUTED


def test_distance_map_is_relus_closed_form():
    relu = sparse_design("relu", 0.5)
    for epsilon in (1e-9, 1e-4, 0.3, 1.0, 1.9):
        theta = 2.0 * np.arcsin(np.sqrt(epsilon / 2.0))
        if theta < 1e-3:  # series of (theta cos theta - sin theta)/pi, free of cancellation
            exact = epsilon + (-(theta**3) / 3.0 + theta**5 / 30.0) / np.pi
        else:
            exact = 1.0 - (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi
        assert correlation.distance_map(relu, epsilon) == pytest.approx(exact, rel=1e-12)


def test_sampled_covariances_need_the_biases():
    shape = {"setting": Setting(), "cases": [STEADY], "correlations": [0.8]}
    right = correlation.correlation_by_sampling(**shape, covariance="sigma_w2*product + sigma_b2")
    wrong = correlation.correlation_by_sampling(**shape, covariance="sigma_w2*product + 2*sigma_b2")
    assert (right.verdict, wrong.verdict) == (Verdict.CONFIRMED, Verdict.REFUTED)


@pytest.mark.parametrize("padding", convolution.PADDINGS)
@pytest.mark.parametrize("grid", convolution.GRIDS)
def test_convolution_agrees_with_scipy(padding, grid):
    rng = np.random.default_rng(3)
    n_sets, outputs, channels, images = 2, 3, 2, 2
    weights = rng.standard_normal((n_sets, outputs, channels, 3 ** len(grid)))
    values = rng.standard_normal((n_sets, images, channels, np.prod(grid)))
    found = convolution.convolve(weights, values, grid, padding)
    mode = {"circular": "wrap", "zero": "constant"}[padding]
    for one, image, output in itertools.product(range(n_sets), range(images), range(outputs)):
        kernels = weights[one, output].reshape(channels, *(3,) * len(grid))
        planes = values[one, image].reshape(channels, *grid)
        total = sum(ndimage.correlate(plane, kernel, mode=mode) for plane, kernel in zip(planes, kernels, strict=True))
        np.testing.assert_allclose(found[one, image, output], total.ravel(), atol=1e-12)


def test_wrong_convolution_claims_are_refuted(monkeypatch):
    monkeypatch.setitem(convolution.NETWORKS, False, 8_000)
    monkeypatch.setattr(convolution, "GRIDS", ((5,),))
    monkeypatch.setattr(convolution, "PRECISE", 0.4)
    claim = {
        "design": {"kind": "clipped-shifted-relu", "sparsity": 0.7, "v_prime": 0.7},
        "first_weight": "sigma_w2/(size*channels)",
        "weight": "sigma_w2/size",
        "bias": "sigma_b2",
        "shift": "same",
    }

    def verdict(**changes: str) -> Verdict:
        return convolution.covariance_by_sampling(setting=Setting(), **claim | changes).verdict

    assert verdict() is Verdict.CONFIRMED
    for change in ({"weight": "1.5*sigma_w2/size"}, {"bias": "0"}, {"shift": "opposite"}, {"first_weight": "sigma_w2"}):
        assert verdict(**change) is Verdict.REFUTED, change
    monkeypatch.setattr(convolution, "convolution_covariance_map", lambda _, covariance, *__, **___: 2.0 * covariance)
    assert verdict() is Verdict.ERROR
