"""Damaged files give an error or fewer shards, never wrong numbers."""

import random

import pytest

from tests.simulations.test_store import die, filled, shard
from tests.simulations.test_store_damage import assert_right_or_refused


@pytest.mark.faults
def test_thousands_of_damaged_files(tmp_path):
    path = tmp_path / "store.sqlite"
    truth = filled(path, 400)
    whole = path.read_bytes()
    choose = random.Random(1)
    outcomes = {"refused": 0, "fewer": 0, "all": 0}
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(choose.choice((1, 2, 10, 100))):
            damaged[choose.randrange(len(whole))] ^= 1 << choose.randrange(8)
        if choose.random() < 0.2:
            at = 512 * choose.randrange(len(whole) // 512)
            damaged[at : at + 512] = bytes(512)
        if choose.random() < 0.1:
            del damaged[choose.randrange(len(whole)) :]
        path.write_bytes(damaged)
        found = assert_right_or_refused(path, truth, complete=True)
        outcomes["all" if found == len(truth) else "fewer" if found else "refused"] += 1
    print(outcomes)
    assert outcomes["refused"] > 250


@pytest.mark.faults
def test_damaged_logs(tmp_path):
    """A log has its own checksums: what follows the damage was never committed."""
    path = tmp_path / "store.sqlite"
    die(path, "writing")
    truth = {start: shard(start, start + 1) for start in range(20)}
    sides = [path.with_name(path.name + side) for side in ("", "-wal")]
    whole = [side.read_bytes() for side in sides]
    choose = random.Random(2)
    fewer = 0
    for _ in range(300):
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        sides[0].write_bytes(whole[0])
        log = bytearray(whole[1])
        log[choose.randrange(len(log))] ^= 1 << choose.randrange(8)
        sides[1].write_bytes(log[: choose.randrange(len(log)) if choose.random() < 0.3 else None])
        fewer += assert_right_or_refused(path, truth) < 20
    assert fewer > 50
