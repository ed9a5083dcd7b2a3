"""Claims as data: what a paper states, how it is checked, and wrong versions of it.

A claims file is TOML, one file per paper (`claim_files/<paper>.toml`); a file of your own names the paper of each
claim. The format:

    [[claim]]
    id = "M1"                          # unique
    paper = "mypaper"                  # only in a file of your own
    where = "abstract"                 # section or equation, if known
    statement = "The survival probability falls with depth to its limit."
    formula = "p_k = (1 - 2^{-n})^k"   # LaTeX, optional
    assumptions = ["one input point"]
    domain = "widths 1 to 30, depths 1 to 100"
    figure = "survival_depth"          # optional: a name that `neurondeath figures list` shows
    erratum = ""                       # optional: in which restricted sense it holds
    # bound = 0.01                     optional: the size, in the units of the measurement, below which the effect
    #                                  does not matter; where all of its interval is smaller: BOUNDED
    expected = "CONFIRMED"             # or REFUTED (with an erratum), BOUNDED (with a bound), INCONCLUSIVE (with a
                                       # reason), or NOT TESTED (with a reason, without checks)
    reason = ""

    [[claim.check]]
    route = "high precision"           # symbolic, high precision, enumeration, Monte Carlo, training
    checker = "neurondeath.paper_check.checkers.identities:holds_at_random_points"
    # bound = 0.01                     optional: the bound of this check, in place of that of the claim

    [claim.check.parameters]
    left = "(1 - 2**(-n))**k"
    relation = "<="
    right = "exp(-k*2**(-n))"
    names = { n = [1, 30, "integer"], k = [1, 100, "integer"] }

    [[claim.mutation]]
    description = "the direction reversed"
    changes = { relation = ">=" }      # replaces these parameters of every check that has them

A checker is a function `checker(*, setting, <parameters>) -> Evidence`. Its parameters define the statement
under test: a mutation changes them, and the same checker must then refute the claim. A bound, stated before the run,
needs checkers that measure an effect, such as those of tables of studies (see `effect_bounds`). The generic checkers
are in `neurondeath.paper_check.checkers.identities`; checkers of your own can be in any module that Python can import.

The meaning of every key is in `claim_keys`; `neurondeath check --claim-template` writes a file that shows them all.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from neurondeath.paper_check.checker_names import current_name
from neurondeath.paper_check.claim_contents import LONGEST_KEY, check_contents, check_formulas, place_of
from neurondeath.paper_check.claim_keys import CHECK_KEYS, CLAIM_KEYS, EXPECTED, FILE_KEYS, MUTATION_KEYS
from neurondeath.paper_check.evidence import Verdict
from neurondeath_theory.foundation.configuration import check_table
from neurondeath_theory.foundation.input_files import read_toml
from neurondeath_theory.foundation.validation import did_you_mean, invalid, listed
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["Check", "Claim", "Mutation", "bounds_of", "packaged_claims", "read_claims", "select_claims"]

PATH_SHOWN = 60  # characters in a message, from the end


@dataclass(frozen=True, kw_only=True)
class Check:
    """One route by which a claim is checked: the checker "module:function" and its parameters."""

    route: str
    checker: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    bound: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A wrong version of a claim: the parameters that make it wrong."""

    description: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a paper; see the module for the meaning of its fields."""

    id: str
    paper: str
    statement: str
    where: str = "abstract"
    formula: str = ""
    assumptions: tuple[str, ...] = ()
    domain: str = ""
    figure: str = ""
    erratum: str = ""
    bound: float | None = None
    expected: Verdict = Verdict.CONFIRMED
    reason: str = ""
    checks: tuple[Check, ...] = ()
    mutations: tuple[Mutation, ...] = ()

    def mutated(self, mutation: Mutation) -> tuple[Check, ...]:
        """Return the claim's checks with the parameters of a mutation."""
        return tuple(
            replace(
                check,
                parameters={**check.parameters, **{k: v for k, v in mutation.changes.items() if k in check.parameters}},
            )
            for check in self.checks
        )


def bounds_of(claim: Claim) -> list[float]:
    """List the bounds that a claim and its checks state, each once.

    Examples
    --------
    >>> one = Check(route="training", checker="module:function", bound=0.5)
    >>> bounds_of(Claim(id="M1", paper="mine", statement="s", bound=2.0, checks=(one, one)))
    [2.0, 0.5]
    """
    stated = [claim.bound, *(one.bound for one in claim.checks)]
    return list(dict.fromkeys(bound for bound in stated if bound is not None))


def packaged_claims() -> list[Claim]:
    """Read the claims of all papers that come with the project, paper by paper.

    Examples
    --------
    >>> "L5" in [claim.id for claim in packaged_claims()]
    True
    """
    from neurondeath.paper_check.papers import PAPERS

    folder = files("neurondeath.paper_check") / "claim_files"
    claims = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            data = tomllib.loads(entry.read_text(encoding="utf-8"))
            claims += _parse(entry.name, data, paper=entry.name.removesuffix(".toml"))
    _check_unique("the packaged claims", claims)
    order = {key: number for number, key in enumerate(PAPERS)}
    return sorted(claims, key=lambda claim: order.get(claim.paper, len(order)))


def read_claims(path: str | Path, *, name: str = "claims") -> list[Claim]:
    """Read a user's claims file.

    Parameters
    ----------
    path : path
        A TOML file in the format above.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    list of Claim
        At least one.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read or violates the format; the message names the file, the claim and the field.
    """
    shown = visible(str(path))
    shown = shown if len(shown) <= PATH_SHOWN else f"...{shown[3 - PATH_SHOWN :]}"
    return _parse(shown, read_toml(name, path))


def select_claims(
    claims: Sequence[Claim],
    *,
    only: Sequence[str] | None = None,
    paper: str | None = None,
    names: tuple[str, str] = ("only", "paper"),
) -> list[Claim]:
    """Select claims by id (in any case) and paper; `names` are the two arguments' names in error messages.

    Raises
    ------
    InvalidArgumentError
        If no claim has such an id or paper.
    """
    picked = list(claims)
    if paper is not None:
        papers = list(dict.fromkeys(claim.paper for claim in picked))
        if paper not in papers:
            raise invalid(names[1], f"be one of {listed(papers)}", paper)
        picked = [claim for claim in picked if claim.paper == paper]
    if only is not None:
        known = {claim.id.lower() for claim in picked}
        for name in only:
            if not isinstance(name, str) or name.lower() not in known:
                of = f" of {paper}" if paper else ""
                ids = [claim.id for claim in picked]
                raise invalid(names[0], f"name claims{of}: {listed(ids)}", name, did_you_mean(name, ids))
        wanted = {name.lower() for name in only}
        picked = [claim for claim in picked if claim.id.lower() in wanted]
    if not picked:
        raise invalid(names[0], "name at least one claim", only)
    return picked


def _parse(file: str, data: Mapping[str, Any], *, paper: str | None = None) -> list[Claim]:
    for key in data:
        if key not in FILE_KEYS:
            raise invalid(file, "hold [[claim]] tables only", key)
    check_table(file, data, FILE_KEYS)
    entries = _tables(f"{file}, claim", data["claim"])
    if not entries:
        raise invalid(f"{file}, claim", "hold at least one claim", [])
    claims = [_claim(file, number, entry, paper) for number, entry in enumerate(entries, start=1)]
    _check_unique(file, claims)
    return claims


def _claim(file: str, number: int, entry: Mapping[str, Any], paper: str | None) -> Claim:
    place = place_of(file, number, entry)
    check_contents(place, entry)
    keys = {name: key for name, key in CLAIM_KEYS.items() if paper is None or name != "paper"}
    check_table(place, entry, keys)
    for key in ("id", "paper") if paper is None else ("id",):
        if not entry[key].isprintable() or entry[key] != entry[key].strip() or len(entry[key]) > LONGEST_KEY:
            raise invalid(f"{place}, {key}", f"be one line of at most {LONGEST_KEY} printable characters", entry[key])
    for number_, assumption in enumerate(entry.get("assumptions", [])):
        if not isinstance(assumption, str):
            raise invalid(f"{place}, assumptions[{number_}]", "be a text", assumption)
    expected = entry.get("expected", Verdict.CONFIRMED.value)
    if expected not in EXPECTED:
        raise invalid(f"{place}, expected", f"be one of {', '.join(EXPECTED)}", expected)
    checks = tuple(
        _check(f"{place}, check {number_}", check)
        for number_, check in enumerate(_tables(f"{place}, check", entry.get("check", [])), start=1)
    )
    if expected == Verdict.REFUTED and not entry.get("erratum"):
        raise invalid(f"{place}, erratum", "state what holds instead where REFUTED is expected", entry.get("erratum"))
    if expected == Verdict.BOUNDED and all(bound is None for bound in (entry.get("bound"), *(c.bound for c in checks))):
        raise invalid(f"{place}, bound", "be given, for the claim or a check, where BOUNDED is expected", None)
    if expected == Verdict.NOT_TESTED and entry.get("bound") is not None:
        raise invalid(f"{place}, bound", "be left out where NOT TESTED is expected", entry["bound"])
    if expected == Verdict.INCONCLUSIVE and not entry.get("reason"):
        raise invalid(f"{place}, reason", "be given where INCONCLUSIVE is expected", entry.get("reason"))
    if expected == Verdict.NOT_TESTED and (checks or not entry.get("reason")):
        raise invalid(f"{place}, reason", "be given, and no check, where NOT TESTED is expected", entry.get("reason"))
    if expected != Verdict.NOT_TESTED and not checks:
        raise invalid(f"{place}, check", "hold at least one check", [], 'or expect "NOT TESTED" and give the reason')
    known = {parameter for check in checks for parameter in check.parameters}
    mutations = tuple(
        _mutation(f"{place}, mutation {number_}", mutation, known)
        for number_, mutation in enumerate(_tables(f"{place}, mutation", entry.get("mutation", [])), start=1)
    )
    if entry.get("figure"):
        _check_figure(f"{place}, figure", entry["figure"])
    texts = {
        name: value if name == "formula" else " ".join(value.split())
        for name, value in entry.items()
        if keys[name].kind == "text" and name != "paper"
    }
    claim = Claim(
        **texts,
        paper=entry["paper"] if paper is None else paper,
        assumptions=tuple(" ".join(assumption.split()) for assumption in entry.get("assumptions", [])),
        bound=None if entry.get("bound") is None else float(entry["bound"]),
        expected=Verdict(expected),
        checks=checks,
        mutations=mutations,
    )
    if paper is None:
        _check_formulas(place, claim)
    return claim


def _check_formulas(place: str, claim: Claim) -> None:
    """Refuse formulas of a user's claim, and of its mutations, that would take too much time or memory."""
    for number, one in enumerate(claim.checks, start=1):
        check_formulas(f"{place}, check {number}", one.checker, one.parameters)
    for number, mutation in enumerate(claim.mutations, start=1):
        for one in claim.mutated(mutation):
            check_formulas(f"{place}, mutation {number}", one.checker, one.parameters)


def _check(place: str, entry: Mapping[str, Any]) -> Check:
    check_table(place, entry, CHECK_KEYS)
    return Check(**{**entry, "checker": current_name(entry["checker"])})


def _mutation(place: str, entry: Mapping[str, Any], known: set[str]) -> Mutation:
    check_table(place, entry, MUTATION_KEYS)
    for parameter in entry["changes"]:
        if parameter not in known:
            rule = f"replace parameters that a check has ({listed(sorted(known)) or 'none'})"
            raise invalid(f"{place}, changes", rule, parameter)
    return Mutation(**entry)


def _tables(place: str, entries: Any) -> list[Mapping[str, Any]]:
    for entry in entries:
        if not isinstance(entry, dict):
            raise invalid(place, "be written as [[...]] tables", entry)
    return list(entries)


def _check_figure(place: str, name: str) -> None:
    from neurondeath.figures.registry import FIGURES

    if name not in FIGURES:
        raise invalid(place, f"be one of {listed(list(FIGURES))}", name)


def _check_unique(place: str, claims: list[Claim]) -> None:
    seen: set[str] = set()
    for claim in claims:
        if claim.id.lower() in seen:
            raise invalid(f"{place}, id", "be unique, regardless of case", claim.id)
        seen.add(claim.id.lower())
