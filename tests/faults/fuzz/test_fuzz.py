"""The campaign of hostile invocations: all of it in `make faults`, a sample in `make test`.

NEURONDEATH_FUZZ_SEED draws other cases, NEURONDEATH_FUZZ_COUNT limits their number per family.
"""

import os

import pytest

from tests.faults.fuzz.campaign import Campaign, Counts, plan, table
from tests.faults.fuzz.cases import FAMILIES
from tests.faults.fuzz.parameters import SUBCOMMANDS

SEED = int(os.environ.get("NEURONDEATH_FUZZ_SEED", "1"))
COUNT = int(os.environ["NEURONDEATH_FUZZ_COUNT"]) if "NEURONDEATH_FUZZ_COUNT" in os.environ else None
SAMPLE = {"bounds": 3, "size": 3}  # cases per family; these subcommands start fast
STEP = 50


@pytest.fixture(scope="module")
def campaign():
    shared = Campaign(subcommands=())
    yield shared
    shared.close()


def assert_clean(campaign, cases, jobs, report=lambda text: None):
    counts = Counts()

    def done(found):
        counts.add(found)
        n_done = sum(counts.cases.values())
        if n_done % STEP == 0 or n_done == len(cases):
            report(f"{cases[0][0]}: {n_done}/{len(cases)} cases, {sum(counts.kinds.values())} violations")

    campaign.run_all(cases, jobs, done)
    assert sum(counts.cases.values()) == len(cases)
    assert not counts.kinds, table(counts)


@pytest.mark.faults
@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_subcommand(campaign, subcommand, capsys):
    def report(text):
        with capsys.disabled():
            print(f"\r{text} ", end="", flush=True)

    campaign.need([subcommand])
    assert_clean(campaign, plan([subcommand], FAMILIES, SEED, count=COUNT), 2, report)


def test_sample():
    """A few cases of every family; the seed is fixed, and the cases are cheap."""
    sample = Campaign(subcommands=tuple(SAMPLE))
    try:
        cases = [case for subcommand, count in SAMPLE.items() for case in plan([subcommand], FAMILIES, 1, count=count)]
        assert_clean(sample, cases, 1)
    finally:
        sample.close()
