"""Weights in fewer bits: what rounding does, by PyTorch's bfloat16 and by the definition of int8; extremes; files."""

import numpy as np
import pytest
import torch

from neurondeath.simulations.inference.networks import SparseNetwork, load_sparse
from neurondeath.simulations.inference.programs import LayerWeights
from neurondeath.simulations.inference.weight_precision import PLACES, from_bits, in_bits, rounded, unit_scales
from neurondeath.simulations.inference.zeros import zero_shares
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.references.chain_twins import random_program

LARGEST = np.finfo(np.float32).max


def any_weights(seed=0, shape=(60, 50)):
    """Weights of all sizes, with columns of zeros, of tiny and of huge numbers."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal(shape) * 10.0 ** rng.uniform(-30, 30, shape)
    weight[:, 0], weight[:, 1], weight[:, 2] = 0.0, 1e-40, LARGEST
    weight[::2, 2] = -LARGEST / 3.0
    return weight.astype(np.float32)


def test_bfloat16_is_that_of_pytorch():
    words = np.random.default_rng(1).integers(0, 2**32, 100_000, dtype=np.uint32)
    weight = words.view(np.float32)
    weight = weight[np.isfinite(weight)].reshape(-1, 1)
    wanted = torch.from_numpy(weight).to(torch.bfloat16).to(torch.float32).numpy()
    wanted = np.where(np.isinf(wanted), np.copysign(np.float32(3.3895314e38), wanted), wanted)  # the largest instead
    assert np.array_equal(rounded(weight, "bfloat16"), wanted)
    halves = torch.from_numpy(in_bits(wanted, "bfloat16").astype(np.int32)).to(torch.int16)
    assert np.array_equal(halves.view(torch.bfloat16).float().numpy(), wanted)


def test_int8_is_off_by_half_a_step_of_the_unit():
    weight = np.random.default_rng(2).standard_normal((70, 40)).astype(np.float32)
    step = np.abs(weight).max(0).astype(np.float64) / 127.0
    off = np.abs(rounded(weight, "int8").astype(np.float64) - weight) / step
    assert 0.49 < off.max() <= 0.503
    assert np.abs(in_bits(weight, "int8").astype(int)).max(0).tolist() == [127] * 40


@pytest.mark.parametrize("precision", PLACES)
def test_rounding_twice_is_rounding_once(precision):
    once = rounded(any_weights(), precision)
    assert np.isfinite(once).all()
    assert np.array_equal(rounded(once, precision), once)
    assert np.array_equal(from_bits(in_bits(once, precision), unit_scales(once, precision), precision), once)
    assert np.array_equal(once[:, 0], np.zeros(60))
    if precision != "float32":
        assert np.abs(once[:, 2] / any_weights()[:, 2] - 1.0).max() < 0.01
        assert not np.array_equal(once, any_weights())


def test_a_layer_holds_only_what_its_precision_can():
    layer = LayerWeights("one", any_weights(), np.zeros(60, np.float32))
    for precision in ("bfloat16", "int8"):
        with pytest.raises(InvalidArgumentError, match=f"have weights that are {precision} numbers in layer 'one'"):
            LayerWeights("one", layer.weight, layer.bias, precision)
        assert layer.with_precision(precision).with_precision(precision).precision == precision
    with pytest.raises(InvalidArgumentError, match="`precision` must be one of"):
        layer.with_precision("float16")


@pytest.mark.parametrize("precision", PLACES)
def test_files_keep_the_bits(precision, tmp_path):
    program = random_program(np.random.default_rng(3), width=40).with_precision(precision)
    x = np.random.default_rng(4).standard_normal((5, 11)).astype(np.float32)
    network = SparseNetwork(program, zero_shares(program, x), error=0.25)
    path = network.save(tmp_path / "network.sparse")
    again = load_sparse(path)
    assert again.error == 0.25
    assert again.save(tmp_path / "again").read_bytes() == path.read_bytes()
    for one, other in zip(program.layers, again.program.layers, strict=True):
        assert one.precision == other.precision == precision
        assert np.array_equal(one.weight, other.weight)
    assert np.allclose(again(x), network(x), rtol=1e-4, atol=1e-5)
    assert ("outputs differ by up to 25 %" in str(again)) == (precision != "float32")


def test_files_shrink(tmp_path):

    sizes = []
    for precision in PLACES:
        program = random_program(np.random.default_rng(3), width=300).with_precision(precision)
        network = SparseNetwork(program, zero_shares(program, np.ones((1, 11))))
        sizes.append(network.save(tmp_path / precision).stat().st_size)

    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.35 * sizes[0]
