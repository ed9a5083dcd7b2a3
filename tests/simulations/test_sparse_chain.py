"""Chains of sparse layers compared with a plain twin: every step and way, any batch, NaN and infinity, no compiler."""

import itertools

import numpy as np
import pytest

from neurondeath.simulations.inference.chain_runs import ChainRunner
from neurondeath.simulations.inference.networks import SparseNetwork
from neurondeath.simulations.inference.packing import pack, strips
from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
from neurondeath.simulations.inference.weight_precision import PLACES
from neurondeath.simulations.inference.zeros import product_inputs, zero_shares
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath.simulations.kernels.gathered_sums import LANES
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.references.chain_twins import plain_run, random_program
from tests.references.twins import assert_same_numbers

WAYS = {"units": codes.BY_UNITS, "weights": codes.BY_WEIGHTS, "library": codes.BY_LIBRARY}
BATCHES = [1, 2, 7, 8, 33, 70]


def runs(program, x, way):
    runner = ChainRunner(program, pack(program))
    return runner.run(np.ascontiguousarray(x, np.float32), runner.plan(dict.fromkeys(program.products, WAYS[way])))


def only_product(weight, bias, precision="float32"):
    """Return a network of one product."""
    layer = LayerWeights("only", weight.astype(np.float32), bias.astype(np.float32)).with_precision(precision)
    return Program(weight.shape[1], (layer,), (Step("product", (0,), 0),))


def assert_close(found, wanted):
    assert np.abs(found - wanted).max() <= 2e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_rows", BATCHES)
@pytest.mark.parametrize("width", [1, 8, 37, 130])
@pytest.mark.parametrize("precision", PLACES)
def test_every_way_computes_the_chain(way, n_rows, width, precision):
    rng = np.random.default_rng(n_rows)
    program = random_program(rng, width=width, zero_weights=0.8).with_precision(precision)
    x = rng.standard_normal((n_rows, 11))
    assert_close(runs(program, x, way), plain_run(program, np.float32(x)))


def test_mixed_ways_compute_the_same():
    rng = np.random.default_rng(0)
    program = random_program(rng, zero_weights=0.9)
    runner = ChainRunner(program, pack(program))
    x = rng.standard_normal((9, 11)).astype(np.float32)
    wanted = plain_run(program, x)
    for choice in itertools.islice(itertools.product(WAYS.values(), repeat=len(program.products)), 0, None, 7):
        assert_close(runner.run(x, runner.plan(dict(zip(program.products, choice, strict=True)))), wanted)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_rows", [1, 4, 20])
@pytest.mark.parametrize("precision", PLACES)
def test_blocks_of_units_beyond_the_cache(way, n_rows, precision):
    """A matrix whose strips are cut into blocks, and fetched ahead; each layer with and without needed units."""
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((100, 5000)) * (rng.random((100, 5000)) < 0.3)
    program = only_product(weight, rng.standard_normal(100), precision)
    layer = program.layers[0]
    x = rng.standard_normal((n_rows, 5000)) * (rng.random((n_rows, 5000)) < 0.15)
    x[0] = 0.0
    found = runs(program, x, way)
    assert_close(found, np.float32(x).astype(float) @ layer.weight.T.astype(float) + layer.bias)
    assert found[0].tolist() == layer.bias.tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_rows", [1, 12])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", PLACES)
def test_nan_and_infinity_are_not_skipped(way, n_rows, value, precision):
    """0 times infinity is NaN whether or not the weight is stored."""
    rng = np.random.default_rng(2)
    program = only_product(rng.standard_normal((20, 30)) * (rng.random((20, 30)) < 0.3), np.ones(20), precision)
    x = np.zeros((n_rows, 30))
    x[:, 3] = 1.0
    x[n_rows // 2, 17] = value
    with np.errstate(invalid="ignore"):
        assert_same_kind(runs(program, x, way), plain_run(program, x))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_steps_pass_nan_and_infinity_on(value):
    program = random_program(np.random.default_rng(3))
    for number, step in enumerate(program.steps):
        if step.kind == "product":
            continue
        size = program.sizes[step.sources[0]]
        alone = Program(size, (), (Step(step.kind, tuple(0 for _ in step.sources), -1, step.numbers, step.vector),))
        x = np.random.default_rng(number).standard_normal((2, size)).astype(np.float32)
        x[1, size // 2] = value
        assert_same_kind(runs(alone, x, "units"), plain_run(alone, x))


def assert_same_kind(found, wanted):
    """NaN and infinities stand in the same places, and the other numbers agree."""
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    assert np.array_equal(np.isinf(found), np.isinf(wanted))
    assert np.array_equal(np.sign(found[np.isinf(found)]), np.sign(wanted[np.isinf(wanted)]))
    fine = np.isfinite(wanted)
    assert np.allclose(found[fine], wanted[fine], rtol=1e-4, atol=1e-5)


def test_ties_at_the_largest_are_cut():
    program = Program(6, (), (Step("largest", (0,), numbers=(2.0,)),))
    found = runs(program, [[1.0, 3.0, 3.0, 3.0, -1.0, 0.0]], "units")
    assert sorted(found[0].tolist()) == [0.0, 0.0, 0.0, 0.0, 3.0, 3.0]


def test_strips_cover_every_output_once():
    for size in [*range(1, 260), 4096]:
        ends = [column + width for column, width in strips(size)]
        assert [column for column, _ in strips(size)] == [0, *ends[:-1]]
        assert ends[-1] == -(-size // LANES) * LANES


def test_a_batch_is_the_sum_of_its_rows_and_plans_are_kept():
    rng = np.random.default_rng(4)
    program = random_program(rng)
    x = rng.standard_normal((1100, 11)).astype(np.float32)
    network = SparseNetwork(program, zero_shares(program, x[:50]), threads=3)
    whole = network(x)
    assert_close(whole, plain_run(program, x))
    assert_close(network(x[7]), whole[7])
    assert network(x[:0]).shape == (0, 5)
    assert set(network.plans) <= set(range(10))
    assert network.columns()["layer"] == ["a", "b", "c", "b", "c", "d"]


def test_arrays_of_any_layout():
    """Read-only, unaligned, strided, of another order, type or byte order; the kernels are compiled once for all."""
    rng = np.random.default_rng(8)
    program = random_program(rng)
    network = SparseNetwork(program, zero_shares(program, np.ones((1, 11))))
    x = rng.standard_normal((4, 11)).astype(np.float32)
    wanted, compiled = network(x), len(getattr(codes.run_chain, "signatures", ()))
    fixed = x.copy()
    fixed.flags.writeable = False
    shifted = np.frombuffer(b"?" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    strided = np.repeat(x, 2, axis=0)[::2]
    for other in (fixed, shifted, strided, np.asfortranarray(x), x.astype(">f4"), x.astype(float), x.tolist()):
        assert np.array_equal(network(other), wanted)
    assert len(getattr(codes.run_chain, "signatures", ())) == compiled


def test_zeros_are_those_of_the_twin():
    rng = np.random.default_rng(5)
    program = random_program(rng, zero_weights=0.6)
    x = rng.standard_normal((90, 11)).astype(np.float32)
    read = product_inputs(program, x)
    weights = [program.layers[program.steps[number].layer].weight for number in program.products]
    needed = sum(
        np.count_nonzero(row[:, None] * weight.T)
        for values, weight in zip(read, weights, strict=True)
        for row in values
    )
    shares = zero_shares(program, x)
    assert shares.skipped == pytest.approx(1.0 - needed / (90 * sum(weight.size for weight in weights)), abs=1e-9)
    assert shares.units[0] == 0.0
    assert shares.units[2] == pytest.approx(1.0 - (112 // 5) / 112, abs=1e-6)


def test_choices_are_the_fastest_that_was_measured(monkeypatch):
    """With a clock of our own: dense is taken where it is faster, in one layer or in all."""
    import neurondeath.simulations.inference.plan_choice as plan_choice

    program = random_program(np.random.default_rng(6))
    network = SparseNetwork(program, zero_shares(program, np.ones((2, 11))))
    slow = {program.products[1]}

    def seconds(contestants):
        if len(contestants) == 1:
            return [0.0]
        if len(contestants) == 2:
            seconds.calls += 1
            return [2.0, 1.0] if program.products[seconds.calls - 1] in slow else [1.0, 2.0]
        return seconds.whole

    seconds.calls, seconds.whole = 0, [3.0, 2.0, 1.0]
    monkeypatch.setattr(plan_choice, "seconds_of", seconds)
    network.tune(np.ones((4, 11)), [4])
    (measured,) = network.plans.values()
    assert set(measured.plan.by_library) == slow
    assert (measured.seconds, measured.dense_seconds, measured.n_sparse) == (1.0, 3.0, 5)
    seconds.calls, seconds.whole = 0, [1.0, 2.0, 3.0]
    network.tune(np.ones((4, 11)), [4])
    (measured,) = network.plans.values()
    assert set(measured.plan.by_library) == set(program.products)


@pytest.mark.parametrize("precision", PLACES)
def test_same_numbers_without_the_compiler(precision, tmp_path):
    """There NumPy checks the bounds of every array too."""
    program = (
        "import numpy as np; from tests.references.chain_twins import plain_run, random_program;"
        "from neurondeath.simulations.inference.chain_runs import ChainRunner;"
        "from neurondeath.simulations.inference.packing import pack;"
        "rng = np.random.default_rng(0); program = random_program(rng, width=9, zero_weights=0.7);"
        f"program = program.with_precision({precision!r});"
        "x = rng.standard_normal((9, 11)).astype(np.float32); wanted = plain_run(program, x);"
        "runner = ChainRunner(program, pack(program));"
        "plans = [runner.plan(dict.fromkeys(program.products, way)) for way in (0, 1)];"
        "gaps = [np.abs(runner.run(x[:n], plan) - wanted[:n]).max() for plan in plans for n in (1, 3, 9)];"
        "assert max(gaps) < 1e-4; print('alive', len(gaps))"
    )
    assert_same_numbers(program, {"NUMBA_DISABLE_JIT": "1"}, tmp_path)


@pytest.mark.parametrize(
    "x", [np.ones((2, 10)), np.ones(12), "text", np.ones((2, 11), complex), [[1.0], [1.0, 2.0]], None, 1.0]
)
def test_refused_inputs(x):
    program = random_program(np.random.default_rng(7))
    network = SparseNetwork(program, zero_shares(program, np.ones((1, 11))))
    with pytest.raises(InvalidArgumentError, match="`x` must be numbers of shape"):
        network(x)
