"""`neurondeath lint` of plain widths without the command core, numpy or the models: within a tenth of a second.

Only command lines that are certainly right are answered here; every other one, and every error, is left to the command
itself, which gives the same answers. A hook that runs at every commit should not be noticed.
"""

import json
import re
from collections.abc import Sequence

from neurondeath.commands.lint_verdict import LintVerdict, judge_range, width_range

__all__ = ["MAX_DEAD", "print_verdict", "quick_lint"]

MAX_DEAD = 0.01
OPTIONS = ("--widths", "--width", "--depth", "--input-dim", "--max-dead", "--format")
WHOLE = re.compile(r"[1-9][0-9]{0,8}")
WHOLES = re.compile(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*")
REAL = re.compile(r"0?\.[0-9]{1,15}")
MOST_LAYERS = 10_000


def quick_lint(words: Sequence[str]) -> int | None:
    """Answer a command line of `lint`, and return the exit code; None if it is not answered.

    Parameters
    ----------
    words : sequence of str
        The words behind `lint`.
    """
    given = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or 2 * len(given) != len(words) or not given.keys() <= set(OPTIONS):
        return None
    widths = _widths(given)
    max_dead, input_dim = given.get("--max-dead", str(MAX_DEAD)), given.get("--input-dim", "1")
    style = given.get("--format", "table")
    if widths is None or style not in ("table", "json") or not WHOLE.fullmatch(input_dim):
        return None
    if not REAL.fullmatch(max_dead) or not 0.0 < float(max_dead) < 1.0:
        return None
    found, most = width_range(widths, int(input_dim)), float(max_dead)
    if found.low <= most < found.high:  # undecided, if the inputs are one-dimensional: the command computes more digits
        return None
    return print_verdict(judge_range(widths, found, most, opposite=input_dim == "1"), style)


def print_verdict(verdict: LintVerdict, style: str) -> int:
    """Write a verdict on stdout, and return the exit code."""
    if style == "json":
        print(json.dumps(verdict.document(), indent=2, allow_nan=False))
    else:
        print(*verdict.lines(), sep="\n")
    return 0 if verdict.passed else 1


def _widths(given: dict[str, str]) -> list[int] | None:
    if "--widths" in given:
        text = given["--widths"]
        if "--width" in given or "--depth" in given or not WHOLES.fullmatch(text) or len(text) > 10 * MOST_LAYERS:
            return None
        return [int(part) for part in text.split(",")]
    width, depth = given.get("--width", ""), given.get("--depth", "")
    if not WHOLE.fullmatch(width) or not WHOLE.fullmatch(depth) or int(depth) > MOST_LAYERS:
        return None
    return [int(width)] * int(depth)
