"""Run many cases on a few fork servers, and count the violations."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from tests.faults.fuzz.cases import FAMILIES, draw
from tests.faults.fuzz.contract import Outcome, judge
from tests.faults.fuzz.fixtures import make_fixtures
from tests.faults.fuzz.mirror import start_mirror
from tests.faults.fuzz.parameters import SUBCOMMANDS
from tests.faults.fuzz.sandbox import Sandbox, snapshot

__all__ = ["ROOT", "Campaign", "Counts", "Finding", "plan", "stop", "table"]

ROOT = Path(__file__).parents[3]
# nothing answers there, so that an address elsewhere fails at once; the server on this machine is reached
NO_NETWORK = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "ftp")} | {"no_proxy": "127.0.0.1"}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
LARGEST_FILE = 1 << 30
MOST_ADDRESSES = 8 << 30
WHOLE_END = 5  # of so many cases, one takes the modules of the interpreter apart at its end
MOST_OUTPUT = 1 << 22  # bytes of a stream that are judged


class Finding:
    """One case with its outcome and its violations."""

    def __init__(self, case, outcome, violations):
        self.case, self.outcome, self.violations = case, outcome, violations

    def records(self):
        """Return one record per violation, or one without."""
        case, answer = self.case, self.outcome.answer
        common = {
            "subcommand": case.subcommand,
            "family": case.family,
            "index": case.index,
            "seed": case.seed,
            "about": case.about,
            "command": case.command[:2000],
            "code": answer["code"],
            "seconds": round(answer["seconds"], 2),
            "cpu": round(answer["cpu"], 2),
            "stderr": self.outcome.stderr[:400].decode("utf-8", "replace"),
        }
        return [{**common, "violation": one.kind, "detail": one.detail} for one in self.violations]


class Campaign:
    """The folder, the good files, the web server and the environment that all cases share."""

    def __init__(self, folder=None, subcommands=SUBCOMMANDS):
        self._temporary = tempfile.TemporaryDirectory(prefix="fuzz-") if folder is None else None
        self.folder = Path(folder or self._temporary.name)
        self.caches = {name: str(self.folder / name) for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")}
        for place in self.caches.values():
            os.makedirs(place, exist_ok=True)
        self.fixtures = self.folder / "fixtures"
        self.shared = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            **self.caches,
            **ONE_THREAD,
            **NO_NETWORK,
        }
        self.need(subcommands)
        self.server, self.mirror = start_mirror()

    def need(self, subcommands):
        """Make the good files of some subcommands, unless they are there."""
        make_fixtures(self.fixtures, {**self.shared, "HOME": str(self.folder)}, subcommands)

    def environment(self, case, sandbox):
        """Return the environment of a case."""
        known = {**self.shared, "HOME": str(sandbox.home), "TMPDIR": str(sandbox.tmp)}
        for name, value in case.environment.items():
            known.pop(name, None)
            if value is not None:
                known[name] = value.replace("{work}", str(sandbox.work))
        return known

    def start_server(self, subcommand):
        """Start a fork server for a subcommand and wait until it is ready."""
        environment = {**self.shared, "HOME": str(self.folder)}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.fuzz.fork_server", subcommand],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        json.loads(process.stdout.readline())
        return process

    def run(self, case, server, sandbox):
        """Run a case and judge it."""
        words = tuple(word.replace("{mirror}", self.mirror) for word in case.arguments)
        sandbox.prepare(case, words)
        before = snapshot(sandbox.work)
        request = {
            "folder": str(sandbox.work),
            "arguments": [case.subcommand, *words],
            "environment": self.environment(case, sandbox),
            "streams": case.streams,
            "stdout": str(sandbox.stdout),
            "stderr": str(sandbox.stderr),
            "limits": {"FSIZE": LARGEST_FILE, "AS": MOST_ADDRESSES, "CORE": 0, **case.limits},
            "steps": case.steps,
            "signal": case.signal,
            "real": case.real,
            "patience": case.patience,
            "whole_end": case.index % WHOLE_END == 0,
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        answer = json.loads(server.stdout.readline())
        outcome = Outcome(
            answer=answer,
            stdout=_head(sandbox.stdout),
            stderr=_head(sandbox.stderr),
            before=before,
            after=snapshot(sandbox.work),
            temporary=snapshot(sandbox.tmp),
            words=words,
        )
        return Finding(case, outcome, judge(case, outcome))

    def run_all(self, cases, jobs, done):
        """Run cases on several servers; `done` is called with every finding, from one thread at a time."""
        waiting = queue.SimpleQueue()
        for case in cases:
            waiting.put(case)
        lock = threading.Lock()
        failures = []

        def work(number):
            sandbox = Sandbox(self.folder / f"case{number}", self.fixtures)
            server, served = None, None
            try:
                while not failures:
                    try:
                        case = waiting.get_nowait()
                    except queue.Empty:
                        break
                    if case[0] != served:
                        stop(server)
                        server, served = self.start_server(case[0]), case[0]
                    found = self.run(draw(*case), server, sandbox)
                    with lock:
                        done(found)
            except BaseException as error:
                failures.append(error)
                raise
            finally:
                sandbox.clear()
                stop(server)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def close(self):
        """Stop the web server and remove the folder if it is temporary."""
        self.server.shutdown()
        self.server.server_close()
        if self._temporary is not None:
            self._temporary.cleanup()


def stop(server):
    """End a fork server and close the pipes to it."""
    if server is not None:
        with server:
            server.stdin.close()


def _head(path):
    with path.open("rb") as file:
        return file.read(MOST_OUTPUT)


def plan(subcommands, families, seed, first=0, count=None):
    """List the cases of a campaign, one subcommand after the other."""
    return [
        (subcommand, family, index, seed)
        for subcommand in subcommands
        for family in families
        for index in range(first, FAMILIES[family] if count is None else first + count)
    ]


class Counts:
    """Cases and violations by subcommand, family and kind."""

    def __init__(self):
        self.cases, self.kinds, self.examples = Counter(), Counter(), {}
        self.began = time.monotonic()

    def add(self, found):
        """Count a finding."""
        case = found.case
        self.cases[case.subcommand, case.family] += 1
        for one in found.violations:
            self.kinds[case.subcommand, case.family, one.kind] += 1
            self.examples.setdefault(one.kind, (case, one))


def table(counts):
    """Write the counts as text: subcommand x family, then the most frequent kinds with an example each."""
    by_place, by_kind = defaultdict(Counter), Counter()
    for (subcommand, family, kind), number in counts.kinds.items():
        by_place[subcommand, family][kind] += number
        by_kind[kind] += number
    lines = [
        f"{sum(counts.cases.values())} cases, {sum(by_kind.values())} violations, "
        f"{time.monotonic() - counts.began:.0f} s",
        "",
        f"{'subcommand':12}{'family':16}{'cases':>6}{'violations':>12}  by kind",
    ]
    for (subcommand, family), number in sorted(counts.cases.items()):
        kinds = by_place[subcommand, family]
        shown = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
        lines.append(f"{subcommand:12}{family:16}{number:6}{sum(kinds.values()):12}  {shown}")
    lines += ["", "most frequent kinds"]
    for kind, number in by_kind.most_common():
        case, one = counts.examples[kind]
        lines += [
            f"{number:6}  {kind}: python -m tests.faults.fuzz {case.name}",
            f"        {case.command[:150]}",
            f"        {one.detail[:200]!r}",
        ]
    return "\n".join(lines)
