"""Run and explain one case, or a campaign: `python -m tests.faults.fuzz --help`."""

import argparse
import json
import os
import sys
from pathlib import Path

from tests.faults.fuzz.campaign import Campaign, Counts, plan, stop, table
from tests.faults.fuzz.cases import FAMILIES, draw
from tests.faults.fuzz.parameters import SUBCOMMANDS
from tests.faults.fuzz.sandbox import Sandbox

__all__ = ["main"]


def main():
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz", description=__doc__)
    parser.add_argument("subcommand", help="a subcommand, several separated by commas, or all")
    parser.add_argument("family", nargs="?", default="all", help="a family, several separated by commas, or all")
    parser.add_argument("index", nargs="?", type=int, help="the case to run and explain; without it, all of them")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("NEURONDEATH_FUZZ_SEED", "1")))
    parser.add_argument("--count", type=int, help="cases per family in place of the full numbers")
    parser.add_argument("--first", type=int, default=0, help="first case of every family")
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2), help="fork servers")
    parser.add_argument("--out", help="write the violations to this file, as lines of JSON")
    parser.add_argument("--folder", help="work in this folder and keep the good files in it")
    chosen = parser.parse_args()
    subcommands = SUBCOMMANDS if chosen.subcommand == "all" else chosen.subcommand.split(",")
    campaign = Campaign(chosen.folder, subcommands)
    try:
        if chosen.index is not None:
            return _explain(campaign, draw(chosen.subcommand, chosen.family, chosen.index, chosen.seed))
        families = FAMILIES if chosen.family == "all" else chosen.family.split(",")
        return _run_all(campaign, plan(subcommands, families, chosen.seed, chosen.first, chosen.count), chosen)
    finally:
        campaign.close()


def _explain(campaign, case):
    server = campaign.start_server(case.subcommand)
    sandbox = Sandbox(campaign.folder / "case", campaign.fixtures)
    found = campaign.run(case, server, sandbox)
    stop(server)
    for name in ("about", "command", "plants", "environment", "streams", "limits", "steps", "signal", "real", "valid"):
        print(f"{name}: {getattr(case, name)}")
    print(f"must be refused: {case.refused}   made bad: {case.bad}")
    print(f"ended: {found.outcome.answer}")
    print("new or changed:", sorted(dict(found.outcome.after.items() ^ found.outcome.before.items())))
    for name in ("stdout", "stderr"):
        print(f"--- {name}\n{getattr(found.outcome, name)[:3000]!r}")
    print("---")
    for one in found.violations:
        print(f"VIOLATION {one.kind}: {one.detail}")
    return len(found.violations) > 0


def _run_all(campaign, cases, chosen):
    counts = Counts()

    def done(found):
        counts.add(found)
        for record in found.records():
            print(json.dumps(record), file=out, flush=True)
        n_done = sum(counts.cases.values())
        if n_done % 100 == 0:
            print(f"{n_done}/{len(cases)} cases, {sum(counts.kinds.values())} violations", file=sys.stderr, flush=True)

    with Path(chosen.out or os.devnull).open("w") as out:
        try:
            campaign.run_all(cases, chosen.jobs, done)
        finally:
            print(table(counts))
    return bool(counts.kinds)


if __name__ == "__main__":
    sys.exit(main())
