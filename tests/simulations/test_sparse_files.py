"""Files of sparse networks: what is written is read, and everything else is refused in one line."""

import json
import os
import struct
import zlib

import numpy as np
import pytest

from neurondeath.simulations.inference.network_files import MAGIC
from neurondeath.simulations.inference.networks import SparseNetwork, load_sparse
from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
from neurondeath.simulations.inference.zeros import zero_shares
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.references.chain_twins import random_program


@pytest.fixture
def network():
    program = random_program(np.random.default_rng(0), width=5, zero_weights=0.7)
    return SparseNetwork(program, zero_shares(program, np.ones((3, 11))))


def test_what_is_saved_is_loaded(network, tmp_path):
    path = network.save(tmp_path / "network.sparse")
    again = load_sparse(path, threads=2)
    x = np.random.default_rng(1).standard_normal((6, 11)).astype(np.float32)
    assert np.allclose(again(x), network(x), rtol=1e-5)
    assert again.sparse_fraction == network.sparse_fraction
    assert again.threads == 2
    assert str(again).split(";")[0] == str(network).split(";")[0]
    assert again.save(tmp_path / "again").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["again", "network.sparse"]


def refused(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(InvalidArgumentError) as caught:
        load_sparse(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert reason in str(caught.value)


def test_torn_and_damaged_files(network, tmp_path):
    content = network.save(tmp_path / "network.sparse").read_bytes()
    rng, path = np.random.default_rng(2), tmp_path / "other"
    for end in [0, 1, len(MAGIC), len(MAGIC) + 8, *rng.integers(0, len(content), 20), len(content) - 1]:
        refused(path, content[:end], "name a file of a sparse network")
    for at in [*rng.integers(0, len(content), 40), 0, len(MAGIC), len(content) - 1]:
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        refused(path, bytes(changed), "name a file of a sparse network")
    refused(path, content + b"more", "checksum")
    refused(path, b"\x80\x04cos\nsystem\n", "another kind")


def sealed(header, numbers=(), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = MAGIC + struct.pack("<Q", len(text) if length is None else length) + text
    body += np.array(numbers, "<f4").tobytes()
    return body + f"{zlib.crc32(body):08x}".encode()


RELU = {"kind": "threshold", "sources": [0], "layer": -1, "numbers": [0.0, None, 0.0], "vector": 0}
PRODUCT = {"kind": "product", "sources": [1], "layer": 0, "numbers": [], "vector": 0}
GOOD = {
    "input_size": 2,
    "layers": [{"name": "only", "shape": [1, 2], "precision": "float32"}],
    "steps": [RELU, PRODUCT],
    "zeros": [0.5],
    "skipped": 0.5,
    "error": None,
}
LAYER = {"name": "x", "shape": [1, 2], "precision": "float32"}
FORGED = {
    "no header": (b"", [1, 2, 3], "of a sparse network"),
    "not JSON": (b"{", [1, 2, 3], "of a sparse network"),
    "a list": ([], [1, 2, 3], "of a sparse network"),
    "deep": (b"[" * 100_000, [], "of a sparse network"),
    "NaN": (json.dumps(GOOD | {"skipped": float("nan")}).encode(), [1, 2, 3], "NaN"),
    "long number": (b'{"input_size": ' + b"9" * 5000 + b"}", [], "of a sparse network"),
    "missing key": ({"input_size": 2}, [1, 2, 3], "layers"),
    "huge layer": (GOOD | {"layers": [LAYER | {"shape": [2**30, 2**30]}]}, [1, 2, 3], "other sizes"),
    "negative": (GOOD | {"layers": [LAYER | {"shape": [-1, -2]}]}, [1, 2, 3], "number of entries"),
    "no matrix": (GOOD | {"layers": [LAYER | {"shape": [2]}]}, [1, 2, 3], "not a matrix"),
    "unknown precision": (GOOD | {"layers": [LAYER | {"precision": "float8"}]}, [1, 2, 3], "unknown precision"),
    "no precision": (GOOD | {"layers": [{"name": "x", "shape": [1, 2]}]}, [1, 2, 3], "precision"),
    "bits too many": (GOOD | {"layers": [LAYER | {"precision": "bfloat16"}]}, [1, 2, 3], "other sizes"),
    "scales too few": (GOOD | {"layers": [LAYER | {"precision": "int8"}]}, [1, 2], "other sizes"),
    "error": (GOOD | {"error": -1.0}, [1, 2, 3], "negative error"),
    "error as text": (GOOD | {"error": "0"}, [1, 2, 3], "than a number"),
    "too few": (GOOD, [1, 2], "other sizes"),
    "too many": (GOOD, [1, 2, 3, 4], "other sizes"),
    "weight of NaN": (GOOD, [1, np.nan, 3], "finite weights"),
    "later value": (GOOD | {"steps": [RELU | {"sources": [1]}, PRODUCT]}, [1, 2, 3], "earlier values"),
    "two sources": (GOOD | {"steps": [RELU | {"sources": [0, 0]}, PRODUCT]}, [1, 2, 3], "earlier values"),
    "unknown step": (GOOD | {"steps": [RELU | {"kind": "system"}, PRODUCT]}, [1, 2, 3], "known kinds"),
    "no steps": (GOOD | {"steps": [], "zeros": []}, [1, 2, 3], "steps"),
    "missing layer": (GOOD | {"steps": [RELU, PRODUCT | {"layer": 1}]}, [1, 2, 3], "have the layer"),
    "other size": (GOOD | {"input_size": 3}, [1, 2, 3], "multiply vectors of 2"),
    "size of zero": (GOOD | {"input_size": 0}, [1, 2, 3], "at least 1"),
    "flag as size": (GOOD | {"input_size": True}, [1, 2, 3], "number of entries"),
    "number as text": (GOOD | {"steps": [RELU | {"numbers": ["0", None, 0.0]}, PRODUCT]}, [1, 2, 3], "than a number"),
    "huge number": (GOOD | {"steps": [RELU | {"numbers": [1e300, None, 0.0]}, PRODUCT]}, [1, 2, 3], "finite tau"),
    "negative height": (GOOD | {"steps": [RELU | {"numbers": [0.0, -1.0, 0.0]}, PRODUCT]}, [1, 2, 3], "m of at least"),
    "endless threshold": (GOOD | {"steps": [RELU | {"numbers": [None, 1.0, 0.0]}, PRODUCT]}, [1, 2, 3], "finite tau"),
    "few numbers": (GOOD | {"steps": [RELU | {"numbers": []}, PRODUCT]}, [1, 2, 3], "have 3 numbers"),
    "half a side": (GOOD | {"steps": [RELU | {"numbers": [0.0, 1.0, 0.5]}, PRODUCT]}, [1, 2, 3], "two_sided of 0 or 1"),
    "share": (GOOD | {"zeros": [2.0]}, [1, 2, 3], "share outside"),
    "shares": (GOOD | {"zeros": []}, [1, 2, 3], "one share of zeros"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_files(case, tmp_path):
    header, numbers, reason = FORGED[case]
    refused(tmp_path / "file", sealed(header, numbers), reason)


@pytest.mark.parametrize("scales", [[np.nan, 1.0], [np.inf, 1.0], [0.3, 0.3], [1e-39, 1.0]])
def test_scales_that_nothing_writes(scales, tmp_path):
    """A network whose weights are 127 and 3 times the scales of their units; scales 1 and 1/8 can be."""
    header = GOOD | {"input_size": 2, "layers": [LAYER | {"shape": [2, 2], "precision": "int8"}]}

    def content(scales):
        text = json.dumps(header).encode()
        body = MAGIC + struct.pack("<Q", len(text)) + text + np.array([127, -127, 3, 3], "i1").tobytes()
        body += np.array([0.0, 0.0, *scales], "<f4").tobytes()
        return body + f"{zlib.crc32(body):08x}".encode()

    path = tmp_path / "file"
    path.write_bytes(content([1.0, 0.125]))
    assert load_sparse(path).program.layers[0].weight.tolist() == [[127.0, -15.875], [3.0, 0.375]]
    refused(path, content(scales), "of a sparse network")


def test_the_forger_can_write_good_files(tmp_path):
    """Otherwise the refusals above would prove nothing."""
    path = tmp_path / "file"
    path.write_bytes(sealed(GOOD, [1, 2, 3]))
    assert load_sparse(path)([[1.0, -1.0], [1.0, 1.0]]).tolist() == [[4.0], [6.0]]
    refused(path, sealed(GOOD, [1, 2, 3], length=2**40), "longer than the file")


def test_places_that_cannot_be_read_or_written(network, tmp_path):
    for path in (tmp_path, tmp_path / "none", "nul\0l"):
        with pytest.raises(InvalidArgumentError, match="`path` must"):
            load_sparse(path)
    for path in (tmp_path, tmp_path / "none" / "file", "/dev/null"):
        with pytest.raises(InvalidArgumentError, match="`path` must"):
            network.save(path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("steps", [(), (Step("jump", (0,)),), (Step("affine", (0,), vector=np.ones(3, np.float32)),)])
def test_programs_that_cannot_be_run(steps):
    with pytest.raises(InvalidArgumentError, match="`program` must"):
        Program(2, (), steps)


def test_weights_that_cannot_be_used():
    for weight, bias in [
        (np.ones((2, 2)), np.ones(2)),
        (np.ones(2, np.float32), np.ones(2, np.float32)),
        (np.ones((2, 2), np.float32), np.ones(3, np.float32)),
        (np.full((2, 2), np.inf, np.float32), np.ones(2, np.float32)),
    ]:
        with pytest.raises(InvalidArgumentError, match="`program` must"):
            LayerWeights("layer", weight, bias)
