"""Hostile files: what is no regular file, what is damaged, and what has hostile contents."""

import os
import random
import socket
from pathlib import Path

from tests.faults.fuzz.hostile_arrays import ARRAYS
from tests.faults.fuzz.hostile_claims import CLAIMS
from tests.faults.fuzz.hostile_images import IMAGES
from tests.faults.fuzz.hostile_stores import STORES
from tests.faults.fuzz.hostile_texts import EXPERIMENTS, GRIDS, MODELS, TEXTS

__all__ = ["DAMAGES", "GOOD", "LINKED", "PLACES", "RECIPES", "plant"]

LINKED = "nowhere_at_all"  # the missing file that dangling links point to
# role of a file -> a good one of its kind, and recipes of hostile contents
GOOD = {
    "array": "good_points.npy",
    "store": "good_store.sqlite",
    "runs": "good_runs.sqlite",
    "grid": "good_grid.toml",
    "claims": "good_claims.toml",
    "experiments": "good_experiment.toml",
    "model": "good_model.py",
    "weights": "good_weights.pt",
    "table": "good_tables/collapse.csv",
}
RECIPES = {
    "array": sorted(ARRAYS),
    "store": sorted(STORES),
    "runs": sorted(STORES),
    "grid": sorted(GRIDS) + sorted(TEXTS),
    "claims": sorted(CLAIMS) + sorted(TEXTS),
    "experiments": sorted(EXPERIMENTS) + sorted(TEXTS),
    "model": sorted(MODELS),
    "weights": ["random bytes", "text", "pickle"],
    "table": sorted(TEXTS),
    "images": sorted(IMAGES),
    "study": sorted(TEXTS),
}
DAMAGES = ("cut", "flipped", "flipped", "zeroed", "doubled", "begun again")
HUGE = 8 << 30


def _fifo(path, choose):
    os.mkfifo(path)


def _folder(path, choose):
    path.mkdir()


def _locked_folder(path, choose):
    path.mkdir()
    (path / "inside").write_text("x")
    path.chmod(0o500 if choose.random() < 0.5 else 0)


def _unreadable(path, choose):
    path.write_text("secret")
    path.chmod(0)


def _huge(path, choose):
    with path.open("wb") as file:
        file.truncate(HUGE)


def _loop(path, choose):
    path.symlink_to(path.name)


def _dangling(path, choose):
    path.symlink_to(LINKED)


def _device(path, choose):
    path.symlink_to(
        choose.choice(
            ("/dev/zero", "/dev/full", "/dev/null", "/dev/tty", "/dev/stdin", "/dev/urandom", "/proc/self/mem")
        )
    )


def _socket(path, choose):
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


PLACES = {
    "fifo": _fifo,
    "folder": _folder,
    "locked folder": _locked_folder,
    "unreadable": _unreadable,
    "huge": _huge,
    "loop": _loop,
    "dangling": _dangling,
    "device": _device,
    "socket": _socket,
    "empty": lambda path, choose: path.write_bytes(b""),
    "text": lambda path, choose: path.write_text("neither this nor that\n"),
    "random bytes": lambda path, choose: path.write_bytes(choose.randbytes(choose.choice((1, 100, 5000)))),
    "zeros": lambda path, choose: path.write_bytes(bytes(4096)),
    "pickle": lambda path, choose: path.write_bytes(b"cos\nsystem\n(S'touch pickle_ran'\ntR."),
}
CONTENTS = {**TEXTS, **GRIDS, **CLAIMS, **EXPERIMENTS, **MODELS, **ARRAYS, **IMAGES, **STORES}


def plant(folder, one):
    """Make the hostile file that a plant describes."""
    path = Path(folder, one.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    choose = random.Random(one.seed)
    if one.recipe in PLACES:
        PLACES[one.recipe](path, choose)
    elif one.recipe in CONTENTS:
        CONTENTS[one.recipe](path, choose)
    else:  # a damage of a good file, as in "cut good_store.sqlite"
        damage, _, source = one.recipe.rpartition(" ")
        path.write_bytes(damaged(Path(folder, source).read_bytes(), damage, choose))


def damaged(data, damage, choose):
    """Return the bytes of a file after an accident."""
    data = bytearray(data)
    if damage == "cut":
        return bytes(data[: choose.randrange(len(data))])
    if damage == "flipped":
        for _ in range(choose.choice((1, 3, 30, 300))):
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    elif damage == "zeroed":
        at = choose.randrange(len(data))
        data[at : at + 512] = bytes(min(512, len(data) - at))
    elif damage == "doubled":
        data = data + data
    elif damage == "begun again":
        at = choose.randrange(len(data))
        data[at:] = data[: len(data) - at]
    return bytes(data)
