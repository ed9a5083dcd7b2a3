"""The contract of the command line, as rules that judge how a case ended.

Each rule yields violations: a kind, which is one or two words, and what was seen.
"""

import json
import re
import signal
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.fuzz.invocations import ALWAYS_REFUSED
from tests.faults.fuzz.leftovers import leftovers
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.refusals import is_conflict, is_progress, names, shows

__all__ = ["MARK", "Outcome", "Violation", "judge"]

MARK = "\x1b[31mRED"  # what hostile names and texts hold; it must never reach a terminal
WORDS = {
    "traceback": re.compile(
        r"Traceback \(most recent|^  File \"|Exception ignored|Fatal Python error|^\w+Error: ", re.M
    ),
    "warning": re.compile(r"\w*Warning\b|warnings\.warn"),
    "crash": re.compile(r"Segmentation fault|terminate called|core dumped|LLVM ERROR|Aborted"),
}
SHELL = 128  # a shell adds it to the number of the signal that ended a process
FAULT = 70
JUDGING = ("check", "lint")  # subcommands that end with 1 where what they judge fails
# a signal came before the interpreter had reached the program
TOO_EARLY = re.compile(rb"Python runtime state|in _get_module_details|<frozen site>|Could not import runpy")
ARGUMENT = re.compile(r"`[A-Z][A-Z.:a-z]*`")  # an argument by its name in the usage
SEEN = ("file", "pipe", "terminal")  # states of a stream whose text is judged
MOST_MEMORY = 3 << 30  # bytes


@dataclass(frozen=True)
class Violation:
    """One broken rule of one case."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Outcome:
    """How a case ended: the answer of the fork server, both streams as bytes, the folders before and after."""

    answer: dict
    stdout: bytes
    stderr: bytes
    before: dict
    after: dict
    temporary: dict
    words: tuple[str, ...]  # the arguments as they were given, addresses filled in


def judge(case, outcome):
    """Return all violations of the contract in one outcome."""
    if case.real and case.signal and TOO_EARLY.search(outcome.stderr):
        return []
    rules = (_ending, _exit_code, _stderr, _stdout, _refusal, leftovers)
    found = {}
    for rule in rules:
        for kind, detail in rule(case, outcome):
            found.setdefault(kind, Violation(kind, str(detail)[:300]))
    return list(found.values())


def _text(data):
    return data.decode("utf-8", "replace")


def _ending(case, outcome):
    answer = outcome.answer
    if answer["killed"]:
        yield "hang", f"not ended by SIGINT; {answer['cpu']:.1f} s of CPU in {answer['seconds']:.1f} s"
    elif answer["interrupted"] and not case.signal and _was_silent(case, outcome):
        yield "silent work", f"{answer['cpu']:.1f} s of CPU in {answer['seconds']:.1f} s without progress"
    if answer["orphans"]:
        yield "orphans", "processes are left"
    if answer["memory"] > MOST_MEMORY:
        yield "memory", f"{answer['memory'] / (1 << 30):.1f} GiB"


def _was_silent(case, outcome):
    if "--quiet" in outcome.words or case.streams.get("stderr", "file") not in SEEN:
        return False
    return not outcome.stderr.replace(b"neurondeath: interrupted", b"").strip()


def _exit_code(case, outcome):
    code = outcome.answer["code"]
    if outcome.answer["killed"]:
        return
    if outcome.answer["interrupted"]:
        if code not in (SHELL + signal.SIGINT, -signal.SIGINT, 0, 2):
            yield "exit code", f"{code} after SIGINT"
        return
    if case.signal:
        number = case.signal[0]
        allowed = {0, 2, -number, SHELL + number} | ({1} if case.subcommand in JUDGING else set())
        if number == signal.SIGHUP:  # not in the contract; any code of an interruption will do
            allowed |= {SHELL + signal.SIGINT, SHELL + signal.SIGTERM}
        if code not in allowed:
            yield "exit code", f"{code} after signal {number}"
        return
    if code == FAULT:
        if "AS" not in case.limits:
            yield "fault", _text(outcome.stderr)[:300]
        return
    if code not in {0, 2} | ({1} if case.subcommand in JUDGING else set()):
        yield "exit code", code
    elif case.refused and code != 2:
        yield "accepted", f"exit code {code}: {case.about}"
    elif case.valid and code != 0:
        yield "refused", f"exit code {code}: {_text(outcome.stderr)[:300]}"


def _stderr(case, outcome):
    text = _text(outcome.stderr)
    for kind, pattern in WORDS.items():
        found = pattern.search(text)
        if found:
            yield kind, text[max(0, found.start() - 40) :].strip()[:300]
    if MARK in text:
        yield "controls", repr(text[:300])
    elif case.streams.get("stderr") != "terminal":
        wrong = [
            letter for letter in text if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp")
        ]
        if wrong and "PYTHONIOENCODING" not in case.environment:
            yield "controls", f"{wrong[0]!r} in {text[:200]!r}"


def _stdout(case, outcome):
    if case.streams.get("stdout", "file") not in SEEN or case.environment.get("PYTHONIOENCODING"):
        return
    terminal = case.streams.get("stdout") == "terminal"
    text = _text(outcome.stdout)
    if MARK in text and terminal:
        yield "controls on stdout", repr(text[max(0, text.index(MARK) - 100) :][:200])
    if outcome.answer["code"] != 0 or outcome.answer["interrupted"]:
        return
    formats = [value for option, value in pairwise(outcome.words) if option == "--format"]
    to_file = any(word.partition("=")[0] in ("--out", "--export", "--save") for word in outcome.words)
    if formats[-1:] == ["json"] and text.strip() and not to_file and not terminal and case.family != "streams":
        try:
            json.loads(text, parse_constant=_refuse_constant)
        except ValueError as error:
            if not {"-h", "--help"} & set(outcome.words):
                yield "json", error
    if case.family == "numbers" and re.search(r"(?<![\w-])-?nan(?![\w-])", text, re.IGNORECASE):
        yield "nan", text[:300]


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _refusal(case, outcome):
    if outcome.answer["code"] != 2 or outcome.answer["interrupted"]:
        return
    state = case.streams.get("stderr", "file")
    if outcome.stdout and case.streams.get("stdout", "file") in SEEN and not case.signal:
        yield "stdout of a refusal", _text(outcome.stdout)[:200]
    if state not in ("file", "pipe"):
        return
    lines = _text(outcome.stderr).splitlines()
    late = case.family in ("streams", "environments")  # a refusal may come in the midst of work
    heads = [line for line in lines if not (late and is_progress(line))]
    if len(heads) != 1:
        yield "lines", f"{len(lines)}: {_text(outcome.stderr)[:260]}"
    if lines and not lines[-1].startswith("neurondeath"):
        yield "form", lines[-1][:300]
    if lines and case.bad:
        yield from _naming(case, outcome.words, lines[-1])


def _naming(case, words, line):
    """Judge whether a refusal names the option that was made bad, and shows its value."""
    option, value = case.bad[0], case.bad[1].removeprefix("{mirror}")
    if case.family in ("streams", "environments") or is_conflict(line, words):
        return
    if option != "--data-dir" and names(line, "--data-dir") and "folder with the" in line:  # there are no images here
        return
    if not option and names(line, "--input-shape"):  # a good model of images, whose size is not known
        return
    named = names(line, option) if option else ARGUMENT.search(line) is not None
    if not option and case.family == "files":  # a good model may not fit what another option names
        named = named or any(names(line, word.split("=", 1)[0]) for word in words if word.startswith("--"))
    if not named and case.subcommand in ALWAYS_REFUSED and "http://" in line:
        return
    files = [one.option for one in parameters(case.subcommand) if one.kind == "path" or one.option == "--store"]
    if case.family == "files" or option in files:  # what was received may be a shape or a position in the file
        if not named and not shows(line, value):
            yield "option not named", f"{option} {value[:80]!r}: {line[:200]}"
        return
    known = [one.option for one in parameters(case.subcommand) if one.option]
    if option and not named and not (value and shows(line, value) and any(names(line, one) for one in known)):
        yield "option not named", f"{option} {value[:80]!r}: {line[:200]}"
    if value and not shows(line, value):
        yield "value not shown", f"{option} {value[:80]!r}: {line[:200]}"
