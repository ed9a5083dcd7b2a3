"""Files of models and weights: missing, torn and hostile ones are one line."""

import io
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath.commands import model_files
from neurondeath.commands.model_files import load_data, load_model, load_weights, read_shape
from neurondeath_theory.foundation.errors import InvalidArgumentError


def saved(thing, **options):
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


def rewritten(raw, change, method=zipfile.ZIP_STORED):
    """Write an archive again with changed entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(file, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


def with_pickle(raw):
    return rewritten(STATE, lambda name, old: raw if name.endswith("data.pkl") else old)


class Touch:
    """Something whose pickle runs code."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


MODEL = nn.Linear(3, 2)
STATE = saved(MODEL.state_dict())
OLD = saved(MODEL.state_dict(), _use_new_zipfile_serialization=False)
BAD = {
    "empty": b"",
    "text": b"hello",
    "torn": STATE[:200],
    "without its end": STATE[:-30],
    "old and torn": OLD[:150],
    "several disks": STATE.replace(b"PK\x06\x07" + bytes(4), b"PK\x06\x07" + b"\x01" * 4),
    "code": pickle.dumps(Touch()),
    "code among weights": saved({"weight": Touch()}),
    "code in an archive": with_pickle(pickle.dumps(Touch(), protocol=2)),
    "list": saved([1, 2]),
    "tensor": saved(torch.ones(2)),
    "no names": saved({}),
    "numbers as names": saved({1: torch.ones(2, 3)}),
    "numbers as inner names": saved({"state_dict": {1: torch.ones(2, 3)}}),
    "control characters as names": saved({"\x1b[31m\n": torch.ones(1)}),
    "long names": saved({"a" * 10**5: torch.ones(1)}),
    "numbers as tensors": saved({"weight": 1.0, "bias": 2.0}),
    "another shape": saved(nn.Linear(4, 2).state_dict()),
    "complex": saved({"weight": torch.ones(2, 3) * 1j, "bias": torch.ones(2)}),
    "without numbers": rewritten(STATE, lambda name, raw: b"" if "/data/" in name else raw),
    "more numbers than there are": with_pickle(b"\x80\x02}q\x00."),
    "wrong end of bytes": rewritten(STATE, lambda name, raw: b"bogus" if name.endswith("byteorder") else raw),
    "compressed": rewritten(STATE, lambda name, raw: raw, zipfile.ZIP_DEFLATED),
    "long pickle": with_pickle(b"(" * (model_files.MOST_PICKLE + 1)),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_weights_are_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pt").write_bytes(BAD[kind])
    one_line("--weights", lambda: load_weights(nn.Linear(3, 2), "weights.pt"))
    assert os.listdir(tmp_path) == ["weights.pt"]


SOUND = {
    "new": STATE,
    "old": OLD,
    "nested": saved({"state_dict": MODEL.state_dict()}),
    "with a warning": b"\x80\x82" + OLD[2:],  # of an unknown protocol, which PyTorch reads nevertheless
}


@pytest.mark.parametrize("raw", SOUND.values(), ids=SOUND)
def test_sound_weights_are_read(tmp_path, raw):
    (tmp_path / "weights.pt").write_bytes(raw)
    model = nn.Linear(3, 2)
    load_weights(model, str(tmp_path / "weights.pt"))
    assert torch.equal(model.weight, MODEL.weight)


def test_what_is_no_file_is_not_waited_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pipe", "pipe.py"):
        os.mkfifo(name)
    os.mkdir("folder.py")
    os.symlink("loop.py", "loop.py")
    os.truncate(os.open("large.py", os.O_CREAT | os.O_WRONLY), 2**40)
    for path in ("pipe", "folder.py", "loop.py", "large.py", "missing", "x" * 300, "a\0b", "/dev/zero", "\udcff"):
        one_line("--weights", lambda path=path: load_weights(nn.Linear(3, 2), path))
    for path in (
        "pipe.py",
        "folder.py",
        "loop.py",
        "large.py",
        "missing.py",
        "x" * 300 + ".py",
        "a\0b.py",
        "\udcff.py",
    ):
        one_line("MODEL", lambda path=path: load_model(f"{path}:build"))


@pytest.mark.parametrize(
    "code",
    [
        b"def (", b"a = 1\0", b"# caf\xe9\na = 1", b"", b"a = " + b"(" * 5000, b"def build(): build()\nbuild()",
        b"import sys; sys.exit(3)", b"def build(): raise SystemExit", b"def build(): raise MemoryError",
        b"def build(): return 3", b"import not_there_at_all", b"raise KeyError('two\\nlines')",
    ],
)  # fmt: skip
def test_bad_models_are_one_line(tmp_path, code):
    (tmp_path / "my_broken_model.py").write_bytes(code)
    line = one_line("MODEL", lambda: load_model(f"{tmp_path / 'my_broken_model.py'}:build"))
    if b"KeyError" in code:
        assert "KeyError" in line  # the reason is not cut off by a long path


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1_0", "\uff13", ",", "1,,2", " 1", "1e3", "9" * 5000, "99999999999,3", "1\n", "2.0"]
)
def test_bad_shapes(text):
    one_line("--input-shape", lambda: read_shape(text))


def test_shapes_and_points_that_are_too_large(tmp_path):
    shape = read_shape("2147483647,2147483647")
    assert "numbers" in one_line("--input-shape", lambda: load_data(nn.Flatten(), "gaussian:5", shape, 64, 0))
    assert "numbers" in one_line("--data", lambda: load_data(nn.Flatten(), "gaussian:99999", (4000,), 64, 0))
    np.save(tmp_path / "a.npy", np.full((2, 3), 1e300))
    assert "range" in one_line("--data", lambda: load_data(nn.Linear(3, 2), str(tmp_path / "a.npy"), None, 64, 0))
    assert load_data(nn.Linear(3, 2).double(), str(tmp_path / "a.npy"), None, 64, 0)[0].max() == 1e300


def one_line(option, refused):
    with pytest.raises(InvalidArgumentError) as caught:
        refused()
    line = str(caught.value)
    assert re.match(f"`{option}` must ", line)
    assert line.isprintable()
    assert len(line) < 400
    return line
