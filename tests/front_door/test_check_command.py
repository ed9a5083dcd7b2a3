"""`neurondeath check` and `neurondeath cite` on the command line; `check` from Python."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sympy

import neurondeath.figures.gallery
import neurondeath.paper_check.claims
from neurondeath.paper_check.citations import cite
from neurondeath.paper_check.claims import Check, Claim
from neurondeath.paper_check.evidence import Evidence, Verdict, sound_evidence
from neurondeath.paper_check.papers import PAPERS
from neurondeath.paper_check.verification import check
from neurondeath.simulations.stores.store import StoreError
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.references.fake_claims import EXAMPLE, FAKES, claim

SLOW = EXAMPLE.replace('figure = "survival_depth"', "").replace(
    "neurondeath.paper_check.checkers.identities:holds_at_random_points", "time:sleep"
)


@pytest.fixture
def call(caller):
    return caller("paper_check")


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        ((), "NOT TESTED"),
        (("CONFIRMED",), "CONFIRMED"),
        (("CONFIRMED", "INCONCLUSIVE"), "INCONCLUSIVE"),
        (("INCONCLUSIVE",), "INCONCLUSIVE"),
        (("CONFIRMED", "REFUTED"), "REFUTED"),
        (("REFUTED", "raise"), "ERROR"),
        (("CONFIRMED", "ERROR"), "ERROR"),
    ],
)
def test_overall_verdicts(verdicts, overall):
    report = check(claims=[claim("F", *verdicts)])
    assert report.claims[0].verdict.value == overall
    assert report.passed == (overall == "CONFIRMED")
    assert len(report.claims[0].evidence) == len(verdicts)


@pytest.mark.parametrize(
    ("parts", "other", "overall"),
    [
        (("CONFIRMED", "INCONCLUSIVE"), ("CONFIRMED",), "CONFIRMED"),  # the other route confirms the claim
        (("CONFIRMED", "CONFIRMED"), ("INCONCLUSIVE",), "CONFIRMED"),
        (("CONFIRMED", "INCONCLUSIVE"), ("INCONCLUSIVE",), "INCONCLUSIVE"),
        (("CONFIRMED", "INCONCLUSIVE"), ("REFUTED", "CONFIRMED"), "REFUTED"),
    ],
)
def test_a_route_confirms_when_all_its_parts_do(parts, other, overall):
    first, two = claim("F", *parts), claim("F", *other)
    routes = (
        *first.checks,
        *(
            replace(one, route="enumeration", parameters={**one.parameters, "route": "enumeration"})
            for one in two.checks
        ),
    )
    report = check(claims=[replace(first, checks=routes)])
    assert report.claims[0].verdict.value == overall


def test_an_error_in_a_checker_is_reported_and_ends_nothing():
    report = check(claims=[claim("F1", "raise"), claim("F2", "CONFIRMED")])
    assert [item.verdict.value for item in report.claims] == ["ERROR", "CONFIRMED"]
    assert report.claims[0].evidence[0].summary == f"{FAKES}:fake: ZeroDivisionError: in the checker"
    assert "not as expected: F1" in str(report)


@pytest.mark.parametrize(
    "broken",
    [
        claim("F", "CONFIRMED", points=0),
        claim("F", "CONFIRMED", route="training"),
        claim("F", "CONFIRMED", nonsense=1),
        Claim(id="F", paper="p", statement="s.", checks=(Check(route="symbolic", checker="no.module:f"),)),
        Claim(id="F", paper="p", statement="s.", checks=(Check(route="symbolic", checker="math:nothing"),)),
        Claim(id="F", paper="p", statement="s.", checks=(Check(route="symbolic", checker="builtins:dict"),)),
    ],
)
def test_evidence_that_is_none_is_an_error(broken):
    assert check(claims=[broken]).claims[0].verdict is Verdict.ERROR


def test_a_self_test_wants_every_mutation_refuted():
    good = claim("F1", "CONFIRMED", mutations=["REFUTED"])
    for wrong in ("CONFIRMED", "INCONCLUSIVE", "raise"):
        report = check(claims=[good, claim("F2", "CONFIRMED", mutations=["REFUTED", wrong])], self_test=True)
        assert not report.passed
        assert "not as expected: F2" in str(report)
    report = check(claims=[good], self_test=True)
    assert report.passed
    assert report.columns()["mutation"] == ["as REFUTED"]
    assert not check(claims=[claim("F3", "CONFIRMED")], self_test=True).passed  # no mutation, no evidence of power


def test_an_interruption_keeps_what_is_finished():
    report = check(claims=[claim("F1", "CONFIRMED"), claim("F2", "interrupt"), claim("F3", "CONFIRMED")])
    assert [item.claim.id for item in report.claims] == ["F1"]
    assert not report.finished
    assert not report.passed
    assert "interrupted after 1 of 3" in str(report)


@pytest.mark.parametrize(
    "arguments",
    [
        {"only": "R99"},
        {"only": []},
        {"paper": "nobody"},
        {"seed": -1},
        {"seed": 1.5},
        {"full": 1},
        {"self_test": None},
        {"workers": 0},
        {"false_alarm": 0.0},
        {"false_alarm": float("nan")},
        {"claims": "missing.toml"},
        {"claims": []},
    ],
)
def test_bad_arguments_are_one_line(arguments):
    with pytest.raises(InvalidArgumentError) as refusal:
        check(**arguments)
    assert "\n" not in str(refusal.value)


def test_a_store_that_cannot_be_used_is_reported_before_any_check(tmp_path):
    (tmp_path / "text").write_text("no store")
    with pytest.raises(StoreError):
        check("L5", store=tmp_path / "text")


def test_the_example_of_the_documentation(call, tmp_path):
    (tmp_path / "mine.toml").write_text(EXAMPLE)
    code, out, err = call("check --claims mine.toml --format json")
    data = json.loads(out)
    assert code == 0
    assert data["claims"][0]["id"] == "M1"
    assert data["claims"][0]["verdict"] == "CONFIRMED"
    assert data["claims"][0]["evidence"][0]["points"] == 202
    assert err.startswith("[1 of 1] mypaper M1 ... CONFIRMED, ")
    code, out, _ = call("check --claims mine.toml --self-test --format json")
    data = json.loads(out)
    assert code == 0
    assert data["claims"][0]["mutations"][0]["verdict"] == "REFUTED"
    (tmp_path / "mine.toml").write_text(EXAMPLE.replace('"<="', '">="', 1))
    code, out, err = call("check --claims mine.toml")
    assert code == 1
    assert "REFUTED" in out
    assert "not as expected: M1" in err


def test_formats(call, tmp_path):
    code, out, err = call("check --only L5,D4-noise --only l7 --format json")
    data = json.loads(out)
    assert (code, data["passed"], data["seed"], data["full"]) == (0, True, 0, False)
    assert [item["id"] for item in data["claims"]] == ["L7", "L5", "D4-noise"]
    for item in data["claims"]:
        assert {"id", "paper", "statement", "verdict", "expected", "evidence", "where", "seconds"} <= set(item)
        for one in item["evidence"]:
            assert {"route", "verdict", "summary", "points", "effects", "numbers"} == set(one)
    assert {"neurondeath", "numpy", "scipy", "numba", "sympy", "mpmath", "Python"} == set(data["versions"])
    assert "3 claims: 2 CONFIRMED, 1 INCONCLUSIVE" in err
    code, out, _ = call("check --only L5 --format csv")
    assert code == 0
    assert next(csv.DictReader(io.StringIO(out)))["verdict"] == "CONFIRMED"
    code, out, _ = call("check --only L5 --out report.txt")
    assert (code, out.strip()) == (0, "report.txt")
    assert "CONFIRMED" in (tmp_path / "report.txt").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("check --only R99", "`--only` must name claims"),
        ("check --only ,", "`--only`"),
        ("check --paper nobody", "`--paper` must be one of rister2020"),
        ("check --seed -1", "`--seed`"),
        ("check --workers 0", "`--workers`"),
        ("check --out missing/report.html", "`--out`"),
        ("check --out .", "`--out`"),
        ("check --claims missing.toml", "`--claims`"),
        ("check --store missing/store.sqlite --only L5", "missing/store.sqlite"),
        ("check --format yaml", "yaml"),
        ("cite nothing_of_the_kind", "`name`"),
        ("cite simulate", "have a paper behind it"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, line, words):
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reports_what_is_finished(tmp_path, number):
    (tmp_path / "slow.toml").write_text(
        EXAMPLE
        + EXAMPLE.replace("M1", "M2").replace(
            "neurondeath.paper_check.checkers.identities:holds_at_random_points", "time:sleep"
        )
    )
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nsleep = time.sleep\ntime.sleep = lambda *a, setting=None, **k: sleep(60)\n"
    )
    command = [
        sys.executable,
        "-m",
        "paper_check",
        "check",
        "--claims",
        str(tmp_path / "slow.toml"),
        "--format",
        "json",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(tmp_path)}
    ) as process:
        written = ""
        while "M2 ..." not in written:
            written += process.stderr.read(1)
        time.sleep(0.2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [item["id"] for item in json.loads(out)["claims"]] == ["M1"]
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "neurondeath: interrupted with 1 of 2 claims checked"


def test_citations():
    for key, paper in PAPERS.items():
        entry = cite(key)
        assert entry.startswith(f"@{paper.kind}{{{key},")
        assert entry.count("{") == entry.count("}")
        assert paper.arxiv in entry
    assert cite("b2") == PAPERS["brownlowe2024"].bibtex
    assert cite("survival_bounds") == cite("nd.survival_bounds") == PAPERS["rister2020"].bibtex
    assert cite("neurondeath_theory.survival.born_dead.one_dimensional_survival") == PAPERS["lu2019"].bibtex
    assert cite("growing_variance") == PAPERS["dent2026"].bibtex
    for nothing in ("", "_real", "nonsense", "x y", "survival_bounds()", 7):
        with pytest.raises(InvalidArgumentError):
            cite(nothing)


def test_checking_and_citing_import_no_torch():
    program = "import sys; from neurondeath.paper_check import check, cite; cite('rai_constant'); check('L5')"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print([m for m in ('torch', 'pandas', 'dask') if m in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("output", ["html", "json"])
def test_a_report_is_replaced_by_a_finished_one_only(tmp_path, number, output):
    (tmp_path / "slow.toml").write_text(EXAMPLE + SLOW.replace("M1", "M2"))
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nsleep = time.sleep\ntime.sleep = lambda *a, setting=None, **k: sleep(60)\n"
    )
    (tmp_path / "report").write_text("an old report")
    before = sorted(path.name for path in tmp_path.iterdir())
    command = ["-m", "paper_check", "check", "--claims", "slow.toml", "--format", output, "--out", "report"]
    root = str(Path(neurondeath.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        written = ""
        while "M2 ..." not in written:
            written += process.stderr.read(1)
        time.sleep(0.2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1].endswith("1 of 2 claims checked; no report was written to report")
    assert (tmp_path / "report").read_text() == "an old report"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_reports_are_not_written_to_what_is_no_file(call, tmp_path):
    (tmp_path / "mine.toml").write_text(EXAMPLE)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    for path in ("pipe", "device", "/dev/null", ".", "..", "missing/report", "mine.toml/report", "x" * 300):
        code, out, err = call(f"check --claims mine.toml --out {path}")
        assert (code, out, len(err.splitlines())) == (2, "", 1), path
        assert "`--out` must name a file in a folder" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device", "mine.toml", "pipe"]


@pytest.mark.parametrize("output", ["table", "json", "csv", "html"])
def test_no_control_character_is_written(call, tmp_path, output):
    hostile = '"\\u001b[31m red\\u0007 \\u202e"'
    for key in ("statement", "formula", "domain"):
        lines = [line for line in EXAMPLE.splitlines() if not line.startswith(f"{key} =")]
        lines.insert(lines.index("[[claim]]") + 1, f"{key} = {hostile}")
        (tmp_path / "mine.toml").write_text("\n".join(lines))
        code, out, err = call(f"check --claims mine.toml --format {output}")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert f"claim M1, {key}" in err
        assert err.rstrip("\n").isprintable()


def test_what_a_checker_returns_is_made_printable():
    def texts(*, setting):
        numbers = {"a\x1b": ["\x07", "b"], "c": [sympy.Rational(1, 2), 3]}
        return Evidence(route="symbolic", verdict=Verdict.CONFIRMED, summary="a\x1b[31m\nb", points=1, numbers=numbers)

    found = sound_evidence(texts(setting=None))
    assert found.summary == r"a\x1b[31m b"
    assert found.numbers == {r"a\x1b": [r"\x07", "b"], "c": [0.5, 3]}
    for wrong in (
        {"points": "1"},
        {"summary": None},
        {"verdict": "CONFIRMED"},
        {"numbers": [1]},
        {"numbers": {"a": [1], "b": [1, 2]}},
        {"numbers": {"a": [object()]}},
    ):
        with pytest.raises((TypeError, ValueError)):
            sound_evidence(replace(found, **wrong))
    with pytest.raises(TypeError):
        sound_evidence({"points": 1})
