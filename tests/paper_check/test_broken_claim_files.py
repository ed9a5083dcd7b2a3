"""Claims files that are broken, hostile or no files: one line that names the claim and the field, and nothing read."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurondeath.paper_check.claim_contents import LARGEST_NUMBER
from neurondeath.paper_check.claims import read_claims
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import MOST_TOML_BYTES
from neurondeath_theory.foundation.visible_text import visible
from tests.paper_check.hostile_claims import CONTROLS, HOSTILE, TEXT_FIELDS, claim_file

BROKEN = {
    "empty": b"",
    "blank": b"\n\n  \n",
    "not UTF-8": b"\xff\xfe[[claim]]",
    "latin 1": '[[claim]]\nid = "é"'.encode("latin-1"),
    "bare": b'[[claim]]\nid="X1"\n',
    "no id": b"[[claim]]\n",
    "a table": b'[claim]\nid = "X"\n',
    "a text": b'claim = "X"',
    "a number": b"claim = 7",
    "numbers": b"claim = [1, 2]",
    "lists": b"claim = [[1]]",
    "another key": b'x = 1\n[[claim]]\nid = "X"',
    "a long key": b"a" * 10_000 + b" = 1",
    "a key with controls": b'"\\u001b[31m" = 1',
    "cut": claim_file().encode()[:-30],
    "deep lists": b"a = " + b"[" * 20_000,
    "deep closed lists": b"claim = " + b"[" * 40 + b"]" * 40,
    "deep tables": b"a" + b".a" * 20_000 + b" = 1",
    "many brackets": b"[" * 100_000,
    "a huge number": b"claim = " + b"9" * 10_000,
    "null": b"[[claim]]\nid = \x00",
    "twice": claim_file().encode() + claim_file(id="m1").encode(),
    "the same key twice": b'[[claim]]\nid = "X"\nid = "Y"\n',
    "a date": claim_file(parameters={"names": {"x": [0, 1]}}).replace('"x + 1"', "1979-05-27").encode(),
}
WRONG = [0, -1, 1.5, True, [], {}, [1], ["x"], {"x": 1}, [[]], [{}]]


def refused(path):
    """Return the line with which a claims file is refused."""
    with pytest.raises(InvalidArgumentError) as refusal:
        read_claims(path, name="--claims")
    line = str(refusal.value)
    assert "\n" not in line
    assert visible(line) == line
    assert len(line) < 700
    return line


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path, name):
    path = tmp_path / "claims.toml"
    path.write_bytes(BROKEN[name])
    assert refused(path)


def test_what_is_no_file_is_not_waited_on(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.toml").write_bytes(b"#" * (MOST_TOML_BYTES + 1))
    for path in (
        tmp_path / "pipe",
        tmp_path / "large.toml",
        tmp_path,
        "/dev/zero",
        "/dev/tty",
        "x\x00y",
        tmp_path / "no",
    ):
        assert refused(path).startswith("`--claims`")


def test_wrong_types_of_every_key(tmp_path):
    path = tmp_path / "claims.toml"
    keys = [*TEXT_FIELDS, "expected", "figure"]
    for key in keys:
        for value in WRONG:
            path.write_text(claim_file(**{key: value}))
            assert f", {key}" in refused(path), (key, value)
    for table in ("check", "mutation"):
        for key in {"check": ("route", "checker"), "mutation": ("description", "changes")}[table]:
            for value in WRONG:
                if (key, value) != ("changes", {"x": 1}):
                    path.write_text(claim_file(**{table: {key: value}}))
                    assert f"claim M1, {table} " in refused(path), (key, value)


def test_keys_that_are_missing(tmp_path):
    path = tmp_path / "claims.toml"
    whole = claim_file()
    for line in whole.splitlines():
        key = line.partition(" = ")[0]
        if key in ("id", "paper", "statement", "route", "checker", "description", "changes"):
            path.write_text(whole.replace(f"{line}\n", "", 1))
            assert f"{key}` must be given" in refused(path)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", str(2 * LARGEST_NUMBER), "1979-05-27", "07:32:00"])
def test_numbers_that_are_none_and_dates(tmp_path, value):
    path = tmp_path / "claims.toml"
    for text in ("names = " + "{ x = [0, VALUE] }", "tolerance = VALUE", "deep = { a = [{ b = [VALUE] }] }"):
        whole = claim_file().replace('"relation": ', "RELATION", 1).replace("RELATION", '"relation" = ')
        path.write_text(whole.replace("parameters = {", "parameters = { " + text.replace("VALUE", value) + ",", 1))
        refused(path)


def test_control_characters_of_every_text(tmp_path):
    path = tmp_path / "claims.toml"
    for control in CONTROLS:
        for key in TEXT_FIELDS:
            path.write_text(claim_file(**{key: f"a{control}b"}), encoding="utf-8")
            assert ", " + key in refused(path)
        for what in ({"parameters": {"left": f"x{control}"}}, {"mutation": {"description": control}}):
            path.write_text(claim_file(**what), encoding="utf-8")
            assert "claim M1, " in refused(path)


def test_long_texts_and_ids(tmp_path):
    path = tmp_path / "claims.toml"
    for what in ({"id": "x" * 100}, {"id": "two\nlines"}, {"paper": "x" * 1000}, {"statement": "x" * 20_000}):
        path.write_text(claim_file(**what))
        refused(path)


def test_hostile_texts_are_texts_and_blanks_become_one(tmp_path):
    path = tmp_path / "claims.toml"
    for text in HOSTILE:
        path.write_text(claim_file(statement=f"two\n\t lines {text}"), encoding="utf-8")
        (claim,) = read_claims(path)
        assert claim.statement == " ".join(f"two lines {text}".split())


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files(tmp_path_factory, data):
    content = bytearray(claim_file(formula="x^2", domain="all", reason="none").encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            del content[at : at + data.draw(st.integers(1, 20))]
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(content)
    try:
        assert read_claims(path)
    except InvalidArgumentError as error:
        line = str(error)
        assert visible(line) == line, line
