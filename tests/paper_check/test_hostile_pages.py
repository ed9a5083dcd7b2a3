"""The page of a report: whatever claims, checkers and formulas hold, nothing in it can act, load or hide."""

import base64
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath.paper_check.checked_claims import CheckedClaim, CheckedMutation, Report
from neurondeath.paper_check.claims import Claim, Mutation, packaged_claims
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formula_markup import ATTRIBUTES, ELEMENTS, formula_markup
from neurondeath.paper_check.report_figures import Pictures
from neurondeath.paper_check.report_page import page
from tests.paper_check.hostile_claims import CONTROLS, HOSTILE, LATEX, SCRIPTS, TEXT_FIELDS, Marks, what_acts


def item_of(name, *, self_test=False, **texts):
    """Return a checked claim with texts in its fields, those of its evidence and those of its mutation."""
    evidence = Evidence(
        route=texts.pop("route", "symbolic"),
        verdict=Verdict.CONFIRMED,
        summary=texts.pop("summary", "as claimed"),
        points=1,
        numbers=texts.pop("numbers", {}),
    )
    mutation = Mutation(description=texts.pop("description", "wrong"), changes={})
    refuted = CheckedMutation(mutation=mutation, verdict=Verdict.REFUTED, evidence=(evidence,), seconds=0.0)
    claim = Claim(**{"id": name, "paper": "mine", "statement": "s.", **texts})
    mutations = (refuted,) if self_test else ()
    return CheckedClaim(claim=claim, verdict=Verdict.REFUTED, evidence=(evidence,), mutations=mutations, seconds=0.0)


def page_of(*items, self_test=False, figures=()):
    """Return the page of a report."""
    report = Report(claims=items, setting=Setting(), self_test=self_test, n_wanted=len(items), seconds=0.0)
    return page(report, Pictures(markup=dict.fromkeys(figures, "<figure></figure>")))


def test_the_list_can_fail():
    assert len(HOSTILE) >= 60
    for text in SCRIPTS[:35]:
        if text.startswith("<!--<"):  # a comment without an end is text
            continue
        assert what_acts(f"default-src 'none' <title></title><style></style><body><p>{text}</p>"), text


@pytest.mark.parametrize("field", [*TEXT_FIELDS, "assumptions", "summary", "route", "numbers", "description", "figure"])
def test_no_field_of_a_claim_or_of_its_evidence_acts(field):
    items = []
    for number, text in enumerate([*HOSTILE, *CONTROLS]):
        value = {"numbers": {text: [text, "b"]}, "assumptions": (text,)}.get(field, text)
        items.append(item_of(f"M{number}", **{field: value}, self_test=field == "description"))
    assert not what_acts(page_of(*items, self_test=field == "description"))


def test_two_claims_with_one_figure_link_to_it_by_a_harmless_name():
    items = [item_of(name, figure=text) for text in HOSTILE for name in (text, f"{text} 2")]
    text = page_of(*items, figures=HOSTILE)
    assert not what_acts(text)
    assert text.count("Figure with") == len(HOSTILE)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.fixed_dictionaries({field: st.text(max_size=60) for field in (*TEXT_FIELDS, "summary", "route")})))
def test_random_texts_do_not_act(claims):
    assert not what_acts(page_of(*(item_of("M1", **texts) for texts in claims)))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([*LATEX, *SCRIPTS, "{", "}", "^", "_", "\\frac", "\\text{", "x", "\\left(", "&", "%"])))
def test_random_formulas_do_not_act(parts):
    assert not what_acts(page_of(item_of("M1", formula="".join(parts))))


def test_texts_are_shown_as_they_are():
    shown = Marks(page_of(*(item_of(f"M{number}", statement=text) for number, text in enumerate(SCRIPTS)))).text
    assert {" ".join(text.split()) for text in SCRIPTS} <= set(shown)


def test_only_mathml_leaves_the_converter():
    typeset = 0
    for formula in [*LATEX, *(claim.formula for claim in packaged_claims() if claim.formula)]:
        markup = formula_markup(formula)
        typeset += markup.startswith("<math")
        for tag, attributes in re.findall(r"<(\w+)((?: [^<>]*)?)>", markup):
            assert tag in ELEMENTS | {"code"}
            assert set(re.findall(r" ([\w:-]+)=", attributes)) <= ATTRIBUTES
    assert typeset > 45
    for formula in (
        r"\href{x}{y}",
        r"\class{a}{b}",
        r"\style{a}{b}",
        r"\newcommand{\a}{\a\a}\a",
        "x^" * 900,
        "x" * 3000,
    ):
        assert formula_markup(formula).startswith("<code>")


def test_the_policy_allows_the_style_of_the_page_and_nothing_else():
    text = page_of(item_of("M1"))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text).group(1)
    style = re.search("<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert {rules[name] for name in rules if name not in ("style-src", "img-src")} == {"'none'"}
    assert {"default-src", "base-uri", "form-action", "script-src"} <= set(rules)
    assert text.index("Content-Security-Policy") < text.index("<title>")
