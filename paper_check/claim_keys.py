"""The keys of a claims file: what each means, how it is checked, and a template that runs.

A checker is a function `checker(*, setting, <parameters>) -> Evidence`. The statement under test stands in its
parameters: a mutation changes them, and the same checker must then refute the claim. The generic checkers are in
`neurondeath.paper_check.checkers.identities`; a module of your own serves as well if Python can import it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from neurondeath.paper_check.evidence import ROUTES, Verdict
from neurondeath_theory.foundation.configuration import REQUIRED, Key, toml_template, toml_value
from neurondeath_theory.foundation.validation import check_real, invalid

__all__ = ["CHECK_KEYS", "CLAIM_KEYS", "EXPECTED", "FILE_KEYS", "MUTATION_KEYS", "claim_template"]

CHECKER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
EXPECTED = (Verdict.CONFIRMED, Verdict.REFUTED, Verdict.BOUNDED, Verdict.INCONCLUSIVE, Verdict.NOT_TESTED)
ARTICLES: dict[type, str] = {str: "a text", list: "a list", dict: "a table"}


def _instance(kind: type) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if not isinstance(value, kind):
            raise invalid(name, f"be {ARTICLES[kind]}", value)
        return value

    return check


def _route(name: str, value: Any) -> str:
    if _instance(str)(name, value) not in ROUTES:
        raise invalid(name, f"be one of {', '.join(ROUTES)}", value)
    return str(value)


def _checker(name: str, value: Any) -> str:
    if not CHECKER.fullmatch(_instance(str)(name, value)):
        raise invalid(name, "have the form module:function", value)
    return str(value)


def _text(meaning: str, default: Any = "", example: Any = None) -> Key:
    return Key(kind="text", meaning=meaning, check=_instance(str), default=default, example=example)


def _bound(whose: str) -> Key:
    return Key(
        kind="number above 0",
        meaning=f"Size below which the effect does not matter{whose}: BOUNDED if all of its interval is smaller.",
        check=lambda name, value: check_real(name, value, low=0.0, low_open=True),
        default=None,
    )


FILE_KEYS: dict[str, Key] = {"claim": Key(kind="tables [[claim]]", meaning="Claims.", check=_instance(list))}
CLAIM_KEYS: dict[str, Key] = {
    "id": _text("Id, unique in the file.", REQUIRED, "M1"),
    "paper": _text("Key of the paper.", REQUIRED, "mypaper"),
    "where": _text("Section or equation.", "abstract"),
    "statement": _text("What is claimed.", REQUIRED, "The survival probability lies below exp(-k 2^-n)."),
    "formula": _text("The statement in LaTeX."),
    "assumptions": Key(kind="list of texts", meaning="Assumptions.", check=_instance(list), default=[]),
    "domain": _text("Where it is checked, in words."),
    "figure": _text("A figure that shows it: a name that `neurondeath figures list` shows."),
    "erratum": _text("In which restricted sense it holds, or what holds instead."),
    "bound": _bound(""),
    "expected": Key(
        kind=" | ".join(EXPECTED),
        meaning="Expected verdict: REFUTED needs an erratum, BOUNDED a bound, INCONCLUSIVE a reason, NOT TESTED a "
        "reason and no check.",
        check=_instance(str),
        default=Verdict.CONFIRMED.value,
    ),
    "reason": _text("Why it is INCONCLUSIVE or NOT TESTED."),
    "check": Key(kind="tables [[claim.check]]", meaning="Checks.", check=_instance(list), default=[]),
    "mutation": Key(kind="tables [[claim.mutation]]", meaning="Wrong versions.", check=_instance(list), default=[]),
}
CHECK_KEYS: dict[str, Key] = {
    "route": Key(kind=" | ".join(ROUTES), meaning="Kind of proof.", check=_route, example="high precision"),
    "checker": Key(
        kind="module:function",
        meaning="The checker.",
        check=_checker,
        example="neurondeath.paper_check.checkers.identities:holds_at_random_points",
    ),
    "bound": _bound(", for this check in place of its claim"),
    "parameters": Key(kind="table", meaning="Its parameters.", check=_instance(dict), default={}),
}
MUTATION_KEYS: dict[str, Key] = {
    "description": _text("What is wrong in this version.", REQUIRED, "the direction reversed"),
    "changes": Key(
        kind="table",
        meaning="Parameters of the checks that it replaces.",
        check=_instance(dict),
        example={"relation": ">="},
    ),
}
PARAMETERS: Mapping[str, Any] = {
    "left": "(1 - 2**(-n))**k",
    "relation": "<=",
    "right": "exp(-k*2**(-n))",
    "names": {"n": [1, 30, "integer"], "k": [1, 100, "integer"]},
}


def claim_template() -> str:
    """Return a claims file that shows every key and can be checked.

    Examples
    --------
    >>> claim_template().splitlines()[1]
    '[[claim]]'
    """
    tables = ("check", "mutation")
    head = toml_template(
        [
            ("[[claim]]", "A claim: `neurondeath check --claims FILE`.", _without(CLAIM_KEYS, tables)),
            ("[[claim.check]]", "One route to its truth; several are better.", _without(CHECK_KEYS, ("parameters",))),
        ]
    )
    lines = [f"{name} = {toml_value(value)}" for name, value in PARAMETERS.items()]
    parameters = "\n".join(
        ["# Parameters of the checker: the statement under test.", "[claim.check.parameters]", *lines]
    )
    tail = toml_template([("[[claim.mutation]]", "A wrong version, which the same checks must refute.", MUTATION_KEYS)])
    return f"{head}{parameters}\n\n{tail}"


def _without(keys: Mapping[str, Key], names: tuple[str, ...]) -> dict[str, Key]:
    return {name: key for name, key in keys.items() if name not in names}
