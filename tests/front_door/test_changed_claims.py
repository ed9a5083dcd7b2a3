"""What a reviewer asks of `neurondeath check`: the list, one claim, and the verdict under another assumption."""

import json

import pytest

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.paper_check.changed_claims import changed_claims, parameters_of, read_change
from neurondeath.paper_check.checkers.survival import bounds
from neurondeath.paper_check.claims import Check, packaged_claims, select_claims
from neurondeath.paper_check.papers import PAPERS
from neurondeath.paper_check.report_page import page
from neurondeath.paper_check.verification import check
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network


@pytest.fixture
def call(capsys):
    def call(*words):
        code = run(command_line("neurondeath", COMMANDS, help=""), "neurondeath", ["check", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def claims(*ids):
    return select_claims(packaged_claims(), only=ids)


def test_the_list_has_every_claim(call):
    code, out, _ = call("--list", "--format", "json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["id"] for row in rows] == [claim.id for claim in packaged_claims()]
    assert call("--list", "--paper", "lu2019", "--columns", "id", "--format", "csv")[1].split()[1:] == [
        claim.id for claim in packaged_claims() if claim.paper == "lu2019"
    ]


def test_the_list_counts_the_verdicts_that_are_expected(call):
    expected = [claim.expected.value for claim in packaged_claims()]
    title = call("--list")[1].splitlines()[0]
    assert title.startswith(f"{len(expected)} claims, expected: {expected.count('CONFIRMED')} CONFIRMED, ")
    assert f"{expected.count('REFUTED')} REFUTED" in title


def test_a_claim_is_shown_with_what_its_checks_know(call):
    code, out, _ = call("--show", "r4", "--format", "json")
    shown = json.loads(out)
    assert code == 0
    assert shown["link"] == PAPERS["rister2020"].url == "https://arxiv.org/abs/2007.06192"
    assert shown["assumptions"] == list(claims("R4")[0].assumptions)
    assert [one["route"] for one in shown["checks"]] == ["enumeration", "Monte Carlo"]
    assert shown["checks"][1]["parameters"]["init"] == ""
    text = call("--show", "R4")[1]
    for part in ("statement", "assumption", "independent fair coin", "wrong version", "relation", "init"):
        assert part in text


def test_orthogonal_weights_refute_the_upper_bound_and_not_the_lower_one(call):
    """Signs of orthogonal weights are dependent: the assumption of R4 is needed, R1 only needs negated rows."""
    words = ("--with", "init=orthogonal", "--format", "json")
    code, out, _ = call("--only", "R1,R4", *words)
    found = json.loads(out)
    assert code == 0
    assert found["changes"] == {"init": "orthogonal"}
    assert {one["id"]: one["verdict"] for one in found["claims"]} == {"R1": "CONFIRMED", "R4": "REFUTED"}
    assert [[e["route"] for e in one["evidence"]] for one in found["claims"]] == [["Monte Carlo"]] * 2


def test_a_changed_number_is_checked_by_every_route_that_knows_it():
    report = check("L5", changes={"value": 0.5})
    assert not report.unexpected
    knowing = [one for one in claims("L5")[0].checks if "value" in parameters_of(one)]
    assert len(report.claims[0].evidence) == len(knowing) > 0
    assert report.claims[0].verdict.value == "REFUTED"
    shown = page(report)
    assert "Changed: value = 0.5" in shown
    assert "neurondeath check --only L5 --seed 0 --with value=0.5" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--with", "init"], "`--with` must have the form parameter=value; got 'init'"),
        (["--with", "weights=2"], "`--with` must name parameters of one check of R4"),
        (["--with", "relation=3"], "`--with relation` must be of the kind of '<='; got 3"),
        (["--with", "init=orthogonal", "--self-test"], "`--with` must be used without --self-test"),
        (["--list", "--format", "html"], "`--format` must be table, json or csv for a list of claims"),
        (["--show", "R99"], "`--show` must name claims"),
    ],
)
def test_changes_that_say_nothing_are_refused(call, words, message):
    code, out, err = call(*(["--only", "R4"] if words[0] == "--with" else []), *words)
    assert (code, out) == (2, "")
    assert message in err.replace("\n", " ")


@pytest.mark.parametrize("init", ["nope", "looks-linear-gaussian"])
def test_a_change_without_an_answer_fails(call, monkeypatch, init):
    """An unknown law, and one that none of the networks allows."""
    monkeypatch.setattr(bounds, "ANY_SAMPLED", ((Network([3] * 2, bias_variance=1.0), ("gaussian:4",)),))
    code, out, err = call("--only", "R4", "--with", f"init={init}")
    assert code == 1
    assert "R4: with this change its checks give no answer" in out
    assert "1 ERROR" in err


def test_checkers_that_cannot_be_loaded_keep_their_parameters():
    assert parameters_of(Check(route="symbolic", checker="nowhere:at_all", parameters={"a": 1})) == {"a": 1}
    assert read_change("x", "a = [1, 'b']") == ("a", [1, "b"])
    with pytest.raises(InvalidArgumentError, match="name parameters of one check"):
        changed_claims(claims("L5"), {"nothing": 1})


def test_the_page_counts_verdicts_and_says_how_to_run_them_again():
    report = check(["L5", "R7"])
    shown = page(report)
    for item in report.claims:
        assert f"<code>neurondeath check --only {item.claim.id} --seed 0</code>" in shown
        assert PAPERS[item.claim.paper].url in shown
    assert '<table class="tally">' in shown
    assert shown.split('<table class="tally">')[1].split("</table>")[0].count('<td class="number">1</td>') == 2


def test_what_is_refuted_as_recorded_is_marked(call):
    """On the page, and in the table beside the first evidence; a changed claim is not."""
    recorded = next(claim for claim in packaged_claims() if claim.expected.value == "REFUTED")
    report = check(recorded.id)
    assert report.passed
    assert '<span class="dim">as recorded</span>' in page(report)
    out = call("--only", recorded.id)[1]
    assert "as recorded" in out.splitlines()[3]
    assert "as recorded" not in call("--only", "L5")[1]
