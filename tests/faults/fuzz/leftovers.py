"""What a case may leave in its folder."""

import re
from itertools import pairwise

from tests.faults.fuzz.hostile_files import LINKED

__all__ = ["leftovers"]

TEMPORARY = re.compile(r"\.tmp$|-wal$|-shm$|-journal$|(^|/)\.[^/]+\.\d+$|\.probe|\.part$|\.draft|~$|/tmp\w+$")
DEFAULTS = {
    "simulate": ("neurondeath.sqlite",),
    "train": ("training.sqlite",),
    "plot": ("survival_depth.png",),
}
READS_ONLY = (
    *("bounds", "size", "design", "eoc", "forecast", "advise", "cite", "results", "runs", "plot", "audit", "check"),
    *("lint", "speed", "explore"),
)
MANY_OUTPUTS = ("study", "figures", "fetch")  # their files have names of their own
MERGED_BEFORE = re.compile(rb"cannot merge .*, the \d+ before it (is|are) merged: ")
CACHES = re.compile(r"(^|/)__pycache__(/|$)")
MAY_STAY = ("streams", "environments")  # families whose refusals may come in the midst of work, with results stored


def leftovers(case, outcome):
    """Yield entries that are new, changed or gone and should not be."""
    if any(step.startswith("delete") for step in case.steps):
        return
    before, after = outcome.before, outcome.after
    new = sorted(name for name in set(after) - set(before) if not CACHES.search(name))
    gone = sorted(name for name in set(before) - set(after) if not name.endswith("-shm"))  # SQLite's, without content
    changed = sorted(name for name in set(before) & set(after) if before[name] != after[name])
    stopped = outcome.answer["killed"] or bool(case.signal) or outcome.answer["interrupted"]
    temporary = [name for name in new if TEMPORARY.search(name) and name not in outcome.words]
    if temporary and not _died_by_signal(outcome):
        yield "temporary file", temporary
    strays = [name for name in outcome.temporary if not name.startswith("torchinductor_")]  # a cache of PyTorch
    if strays and not _died_by_signal(outcome):
        yield "file in TMPDIR", sorted(strays)[:3]
    refused = outcome.answer["code"] not in (0, 1) and not stopped
    if refused and MERGED_BEFORE.search(outcome.stderr):
        return  # every source is merged as a whole, and the message says which are
    if refused and case.family not in MAY_STAY:
        if new:
            yield "left behind", new[:4]
        if changed or gone:
            yield "changed by a refusal", [*changed, *gone][:4]
        return
    strays = [name for name in new if name not in temporary and not _asked_for(name, case, outcome.words)]
    if strays:
        yield "stray file", strays[:4]
    if gone:
        yield "file gone", gone[:4]
    if case.subcommand in READS_ONLY:
        inputs = [name for name in changed if not _is_output(name, outcome.words)]
        if inputs:
            yield "input changed", inputs[:4]


def _died_by_signal(outcome):
    return outcome.answer["code"] < 0


def _asked_for(name, case, words):
    """Whether a new entry was named by an argument, lies below one that was, or beside one by its name."""
    named = [part.rstrip("/").removeprefix("./") for word in words for part in {word, word.split("=", 1)[-1]}]
    named += [value.removeprefix("{work}/") for value in case.environment.values() if value]
    linked = [] if case.subcommand in READS_ONLY else [LINKED]  # an output may be named by a link to no file
    for known in [*named, *linked, *DEFAULTS.get(case.subcommand, ())]:
        if known and (name == known or name.startswith((f"{known}/", f"{known}.")) or known.startswith(f"{name}/")):
            return True
    return case.subcommand in MANY_OUTPUTS


def _is_output(name, words):
    return any(
        option in ("--out", "--export", "--picture", "--store") and name == value.removeprefix("./")
        for option, value in pairwise(words)
    ) or any(word.split("=", 1)[-1] == name for word in words if "=" in word)
