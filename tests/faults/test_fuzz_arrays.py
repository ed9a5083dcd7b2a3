"""Random damage to every kind of array file: the reader returns finite numbers or refuses the file in one line.

A sample runs with all tests, many more examples with `make faults`; NEURONDEATH_FUZZ_EXAMPLES sets how many.
"""

import gzip
import io
import os
import time
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from neurondeath.commands.model_files import load_weights
from neurondeath.simulations.inputs.image_files import read_images, read_labels
from neurondeath.simulations.inputs.packed_members import unpack_members
from neurondeath.simulations.inputs.web_files import DownloadError
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.point_files import read_point_file
from tests.references.hostile_arrays import FAIR, HOSTILE, npy
from tests.simulations.test_image_downloads import archive as tar_archive
from tests.simulations.test_image_files import DIGITS, PICTURES, idx, records

MANY = int(os.environ.get("NEURONDEATH_FUZZ_EXAMPLES", "1500"))
SAMPLE = 25
MOST_SECONDS = 5.0  # of the processor
SMALL = 2**18  # bytes of the files that are damaged

LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 6]) + bytes(range(6))
MEMBERS = ["a/first.bin", "a/second.bin"]
MODEL = nn.Linear(3, 2)


def weights(**options):
    file = io.BytesIO()
    torch.save(MODEL.state_dict(), file, **options)
    return file.getvalue()


def read_points(folder, raw):
    (folder / "a.npy").write_bytes(raw)
    points = read_point_file("option", folder / "a.npy")
    assert points.ndim == 2
    assert points.dtype == np.float64
    assert np.isfinite(points).all()


def read_image_file(name, read, folder, raw):
    (folder / name).write_bytes(raw)
    images = read(data_dir=folder, name="option")
    assert images.dtype == np.uint8
    assert len(images) > 0


def read_weights(folder, raw):
    (folder / "weights.pt").write_bytes(raw)
    load_weights(nn.Linear(3, 2), str(folder / "weights.pt"))


def read_archive(folder, raw):
    (folder / "a.tar.gz").write_bytes(raw)
    paths = unpack_members(folder / "a.tar.gz", folder / "out", MEMBERS, lambda: None)
    assert {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.*")} <= set(MEMBERS)
    assert all(path.is_file() and not path.is_symlink() for path in paths)


mnist, cifar = partial(read_images, "mnist"), partial(read_images, "cifar10")
labels = partial(read_labels, "mnist")
POINTS = [raw for raw in (*HOSTILE.values(), *(raw for raw, _ in FAIR.values())) if len(raw) < SMALL]
TAR = tar_archive([(MEMBERS[0], b"x" * 700), ("other", b"y"), (MEMBERS[1], b"z" * 1000)])
READERS = {
    "points": (read_points, POINTS),
    "images": (partial(read_image_file, "train-images-idx3-ubyte", mnist), [idx(DIGITS)]),
    "packed images": (partial(read_image_file, "train-images-idx3-ubyte.gz", mnist), [gzip.compress(idx(DIGITS))]),
    "labels": (partial(read_image_file, "train-labels-idx1-ubyte", labels), [LABELS]),
    "packed labels": (partial(read_image_file, "train-labels-idx1-ubyte.gz", labels), [gzip.compress(LABELS)]),
    "records": (partial(read_image_file, "data_batch_1.bin", cifar), [records(PICTURES)]),
    "packed records": (partial(read_image_file, "data_batch_1.bin.gz", cifar), [gzip.compress(records(PICTURES))]),
    "weights": (read_weights, [weights(), weights(_use_new_zipfile_serialization=False)]),
    "archives": (read_archive, [TAR]),
    "unpacked archives": (lambda folder, raw: read_archive(folder, gzip.compress(raw)), [gzip.decompress(TAR)]),
}

WORDS = [
    *("{", "}", "(", ")", "[", "]", ", ", ",", "'", "\n", "#", " ", "\x00", "\\", "..."),
    *("'descr': ", "'fortran_order': ", "'shape': ", "True", "False", "None"),
    *("'<f8'", "'|O'", "'>i2'", "'<f16'", "[('a', '<f8')]", "b''"),
    *("4", "3", "-1", "0", "1" * 30, "1e3", "1j", "4L", "4 * 3", "lambda: 0"),
]
damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "remove", "replace", "repeat", "zero"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=12),
    ),
    max_size=5,
)


def damaged(raw, changes):
    """Apply changes, each at a relative position."""
    made = bytearray(raw)
    for kind, place, content in changes:
        at = int(place * len(made))
        if kind == "flip" and made:
            made[min(at, len(made) - 1)] ^= content[0] or 1
        elif kind == "cut":
            del made[at:]
        elif kind == "insert":
            made[at:at] = content
        elif kind == "remove":
            del made[at : at + len(content)]
        elif kind == "replace":
            made[at : at + len(content)] = content
        elif kind == "repeat":
            made[at:at] = made[at : at + 20 * len(content)]
        elif kind == "zero":
            made[at : at + 5 * len(content)] = bytes(5 * len(content))
    return bytes(made)


headers = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=40).map(lambda words: npy(header="".join(words))),
    st.builds(
        lambda shape, descr, order: npy(shape, descr=descr, order=order),
        st.one_of(
            st.lists(st.one_of(st.integers(), st.integers(-3, 20)), max_size=4).map(lambda shape: str(tuple(shape))),
            st.sampled_from(["(4, 3)", "(3, 4)", "(12, 1)", "(2, 6)", "(96, 1)"]),
        ),
        st.sampled_from(["'<f8'", "'>f8'", "'<i8'", "'<u4'", "'<f2'", "'|b1'", "'<c16'", "'|S8'", "'|V8'", "'<M8[s]'"]),
        st.sampled_from(["True", "False", "1"]),
    ),
)
arrays = st.one_of(headers, headers.map(lambda raw: zipped("a.npy", raw)), st.builds(damaged, headers, damages))


def zipped(name, raw):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, raw)
    return file.getvalue()


def check_reading(read, folder, raw):
    """Read a file; whatever is wrong with it is said in one line, within seconds."""
    start, line = time.process_time(), ""
    try:
        read(folder, raw)
    except DownloadError as error:
        line = str(error)
    except InvalidArgumentError as error:
        line = str(error).removeprefix("`option` must ").removeprefix("`--weights` must ")
    assert not line.startswith("`")
    assert line.isprintable() or not line
    assert len(line) < 400
    assert time.process_time() - start < MOST_SECONDS


def fuzz(read, inputs, folder, examples):
    """Check many files; a failure is shrunk and shown by hypothesis."""

    @settings(
        max_examples=examples,
        deadline=None,
        report_multiple_bugs=False,
        database=None,
        derandomize=examples == SAMPLE,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(inputs)
    def run(raw):
        check_reading(read, folder, raw)

    run()


def inputs_of(kind):
    _, whole = READERS[kind]
    changed = st.builds(damaged, st.sampled_from(whole), damages)
    return st.one_of(changed, arrays) if kind == "points" else changed


@pytest.mark.parametrize("kind", READERS)
def test_a_sample_of_damaged_files(tmp_path, kind):
    fuzz(READERS[kind][0], inputs_of(kind), tmp_path, SAMPLE)


@pytest.mark.faults
@pytest.mark.parametrize("kind", READERS)
def test_many_damaged_files(tmp_path, kind):
    fuzz(READERS[kind][0], inputs_of(kind), tmp_path, MANY)


def test_a_reader_that_fails_is_found(tmp_path):
    def failing(folder, raw):
        if b"True" in raw:
            raise KeyError("column by column")

    with pytest.raises(KeyError, match="column by column"):
        fuzz(failing, inputs_of("points"), tmp_path, 500)
