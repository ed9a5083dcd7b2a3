"""BOUNDED: given where the whole interval lies within the bound a claim states, never where none is stated."""

import csv
import io
import json

import numpy as np
import pytest

from neurondeath.paper_check.claim_keys import claim_template
from neurondeath.paper_check.claims import packaged_claims, read_claims
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.effect_bounds import bounded_evidence
from neurondeath.paper_check.evidence import Evidence, Verdict
from neurondeath.paper_check.report import report_data
from neurondeath.paper_check.report_page import page
from neurondeath.paper_check.verification import check, overall
from neurondeath_theory.foundation.errors import InvalidArgumentError

CLAIM = """
[[claim]]
id = "B1"
paper = "mine"
statement = "More units die with the greater rate."
domain = "made up"
{claim}

[[claim.check]]
route = "training"
checker = "neurondeath.paper_check.checkers.training.study_tables:{checker}"
{check}
[claim.check.parameters]
study = "dead_units"
y = "dead_units"
{parameters}

[[claim.mutation]]
description = "by more than the network has"
changes = {{ {mutation} }}
"""
DIFFERENCE = 'left = { rate = 2 }\nright = { rate = 1 }\nrelation = ">"\nmargin = 0.0'


def claims(folder, *, claim="", one="", checker="difference", parameters=DIFFERENCE, mutation="margin = 300.0"):
    path = folder / "claims.toml"
    path.write_text(CLAIM.format(claim=claim, check=one, checker=checker, parameters=parameters, mutation=mutation))
    return path


def study(folder, effect, spread=1.0, seeds=10):
    """Write a study in which rate 2 leaves `effect` more units dead than rate 1, on average, paired by seed."""
    noise = np.random.default_rng(0).normal(size=seeds)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * spread
    rows = [
        {
            "experiment": f"r{rate}",
            "rate": rate,
            "seed": seed,
            "epoch": 1,
            "dead_units": 50.0 + (rate - 1) * (effect + one),
        }
        for rate in (1, 2)
        for seed, one in enumerate(noise)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "dead_units.csv").write_text(f"# {json.dumps({'rows': len(rows)})}\n{text.getvalue()}")
    return folder


def verdict(folder, path, **more):
    (item,) = check(claims=path, studies=folder, **more).claims
    return item


@pytest.mark.parametrize(
    ("effect", "bound", "found"),
    [
        (0.0, None, "INCONCLUSIVE"),
        (0.0, 5.0, "BOUNDED"),
        (0.0, 0.5, "INCONCLUSIVE"),  # the interval is +-0.715
        (0.0, 0.72, "BOUNDED"),
        (0.0, 0.71, "INCONCLUSIVE"),
        (2.0, None, "CONFIRMED"),
        (2.0, 5.0, "BOUNDED"),  # there, but of no size that matters
        (2.0, 1.0, "CONFIRMED"),
        (-2.0, 5.0, "REFUTED"),  # the wrong direction stays so
        (20.0, 5.0, "CONFIRMED"),
    ],
)
def test_the_whole_interval_must_lie_within_the_bound(tmp_path, effect, bound, found):
    study(tmp_path, effect)
    stated = "" if bound is None else f"bound = {bound}"
    of_claim, of_check = verdict(tmp_path, claims(tmp_path, claim=stated)), None
    of_check = verdict(tmp_path, claims(tmp_path, one=stated))
    assert of_claim.verdict.value == of_check.verdict.value == found
    # by another route: Student's interval from its definition
    (one,) = of_claim.evidence
    half = 2.2621571628 / np.sqrt(10)
    np.testing.assert_allclose(one.effects, [(effect - half, effect + half)], atol=1e-8)


def test_the_bound_of_a_check_replaces_that_of_its_claim(tmp_path):
    study(tmp_path, 0.0)
    assert verdict(tmp_path, claims(tmp_path, claim="bound = 5.0", one="bound = 0.1")).verdict == "INCONCLUSIVE"


def test_a_claim_may_expect_it_and_a_wrong_version_is_still_refuted(tmp_path):
    study(tmp_path, 0.1)
    path = claims(tmp_path, claim='bound = 3.0\nexpected = "BOUNDED"')
    report = check(claims=path, studies=tmp_path)
    assert report.passed
    assert str(report) == "1 claim: 1 BOUNDED"
    assert check(claims=path, studies=tmp_path, self_test=True).passed
    study(tmp_path, 4.0)
    report = check(claims=path, studies=tmp_path)
    assert not report.passed
    assert str(report) == "1 claim: 1 CONFIRMED; not as expected: B1"


@pytest.mark.parametrize(
    ("checker", "parameters", "mutation", "effect"),
    [
        ("level", 'where = { rate = 2 }\nrelation = ">"\nright = 50.0', "right = 300.0", 0.2),
        ("near", "where = { rate = 2 }\nnumber = 50.0\ntolerance = 0.3", "number = 300.0", 0.2),
        ("trend", 'along = "rate"\ndirection = "rises"\nwhere = {}', "margin = 300.0", 0.2),
    ],
)
def test_effects_of_the_other_checkers_start_from_their_number(tmp_path, checker, parameters, mutation, effect):
    study(tmp_path, effect)
    parameters = f"{parameters}\nmargin = 0.0" if checker == "trend" else parameters
    path = claims(tmp_path, claim="bound = 2.0", checker=checker, parameters=parameters, mutation=mutation)
    item = verdict(tmp_path, path)
    ((low, high),) = item.evidence[0].effects
    assert (low + high) / 2 == pytest.approx(effect, abs=1e-5)
    assert item.verdict == "BOUNDED"
    assert check(claims=path, studies=tmp_path, self_test=True).passed


def test_a_bound_without_an_effect_is_an_error(tmp_path):
    text = claim_template().replace("# bound = 0.5", "bound = 0.5", 1)
    assert text != claim_template()
    (tmp_path / "claims.toml").write_text(text)
    (item,) = check(claims=tmp_path / "claims.toml").claims
    assert item.verdict is Verdict.ERROR
    assert "the checker reports no effect" in item.evidence[0].summary


def test_order_of_verdicts():
    bounded, confirmed, refuted, undecided = (
        Verdict.BOUNDED,
        Verdict.CONFIRMED,
        Verdict.REFUTED,
        Verdict.INCONCLUSIVE,
    )
    assert all_of([bounded, confirmed]) is bounded
    assert all_of([bounded, undecided]) is undecided
    assert all_of([bounded, refuted]) is refuted

    def of(**routes):
        return overall([Evidence(route=route, verdict=one, summary="", points=1) for route, one in routes.items()])

    assert of(training=bounded, symbolic=undecided) is bounded
    assert of(training=bounded, symbolic=confirmed) is bounded
    assert of(training=bounded, symbolic=refuted) is refuted


def test_intervals_without_end_are_not_bounded():
    found = Evidence(
        route="training", verdict=Verdict.INCONCLUSIVE, summary="s", points=1, effects=((-np.inf, np.inf),)
    )
    assert bounded_evidence(found, 1e300).verdict is Verdict.INCONCLUSIVE
    lost = Evidence(route="training", verdict=Verdict.INCONCLUSIVE, summary="s", points=1, effects=((np.nan, 0.0),))
    assert bounded_evidence(lost, 1.0).verdict is Verdict.INCONCLUSIVE
    two = Evidence(
        route="training", verdict=Verdict.CONFIRMED, summary="s", points=2, effects=((-0.1, 0.1), (0.2, 0.6))
    )
    assert bounded_evidence(two, 0.5).verdict is Verdict.CONFIRMED
    assert bounded_evidence(two, 0.6).verdict is Verdict.BOUNDED


@pytest.mark.parametrize("value", ["0", "-1.0", '"0.1"', "true", "[0.1]", "nan", "inf", "0.0"])
@pytest.mark.parametrize("place", ["claim", "one"])
def test_bad_bounds_are_one_line(tmp_path, place, value):
    with pytest.raises(InvalidArgumentError) as caught:
        read_claims(claims(tmp_path, **{place: f"bound = {value}"}))
    assert "bound" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_expected_needs_a_bound(tmp_path):
    with pytest.raises(InvalidArgumentError, match="bound` must be given, for the claim or a check, where BOUNDED"):
        read_claims(claims(tmp_path, claim='expected = "BOUNDED"'))
    (read,) = read_claims(claims(tmp_path, claim='expected = "BOUNDED"', one="bound = 0.5"))
    assert (read.bound, read.checks[0].bound, read.expected) == (None, 0.5, Verdict.BOUNDED)


def test_report_page_and_json_show_it(tmp_path):
    study(tmp_path, 0.0)
    report = check(claims=claims(tmp_path, claim="bound = 5.0"), studies=tmp_path)
    data = json.loads(json.dumps(report_data(report)))
    assert data["claims"][0]["verdict"] == "BOUNDED"
    assert data["claims"][0]["bound"] == 5.0
    assert len(data["claims"][0]["evidence"][0]["effects"]) == 1
    assert data["papers"] == {"mine": {"BOUNDED": 1}}
    text = page(report)
    assert '<span class="badge BOUNDED">BOUNDED</span>' in text
    assert "Bound stated before the run" in text


def test_list_and_show_name_the_bound(tmp_path, capsys):
    from neurondeath.commands.claim_tables import show_list, show_one
    from neurondeath.commands.output_options import Format

    read = read_claims(claims(tmp_path, claim='bound = 5.0\nexpected = "BOUNDED"'))
    show_list(read, Format.csv, None)
    assert "BOUNDED,5," in capsys.readouterr().out
    show_one(read[0], Format.json, None)
    assert json.loads(capsys.readouterr().out)["bound"] == 5.0
    show_one(read[0], Format.table, None)
    assert "bound" in capsys.readouterr().out


def test_no_packaged_verdict_depends_on_a_bound_yet_unstated():
    assert all(claim.bound is not None or claim.expected is not Verdict.BOUNDED for claim in packaged_claims())
