"""Every option of every command, by introspection: a bad value is one line that names it, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from enum import Enum
from functools import cache
from pathlib import Path

import pytest
import typer

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.arguments import check_arguments, is_argument
from neurondeath.commands.console import command_line, run
from neurondeath.commands.option_rules import OptionRules, check_rules
from neurondeath.commands.rule_table import RULES
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.number_text import real_number, whole_number

# command: arguments and options that it needs; nothing is read or made before the options are checked
NEEDED = {
    "bounds": "--width 3 --depth 3",
    "size": "--depth 3 --survival 0.9",
    "design": "--depth 3 --survival 0.9",
    "eoc": "--activation relu",
    "forecast": "--width 3 --depth 3",
    "advise": "--width 3 --depth 3",
    "speed": "--width 3 --depth 3 --sparsity 0.9",
    "explore": "--port 0 --seconds 1",
    "simulate": "--width 3 --depth 3 --trials 5",
    "results": "missing.sqlite",
    "merge": "new.sqlite missing.sqlite",
    "fetch": "mnist --data-dir missing",
    "figures": "activations --out new",
    "plot": "missing.sqlite",
    "check": "--only L5",
    "cite": "rister2020",
    "lint": "--width 3 --depth 3 --inputs digits:8",
    "audit": "missing.py:build --data digits",
    "train": "missing.toml",
    "study": "collapse",
    "runs": "missing.sqlite",
}
NUMBERS = ("x", "1_0", "\uff13", " 3", "1e", "0x10", "nan", "inf", "9" * 5000)


@cache
def application():
    return command_line(root.NAME, COMMANDS, help=root.HELP)


@cache
def parameters(command):
    group = typer.main.get_command(application())
    return tuple(group.get_command(None, command).params)


def options():
    """List (command, option) for the options that take a value."""
    return [
        (command, parameter.opts[0])
        for command in COMMANDS
        for parameter in parameters(command)
        if not is_argument(parameter) and not parameter.is_flag
    ]


def flags():
    return [
        (command, name)
        for command in COMMANDS
        for parameter in parameters(command)
        if not is_argument(parameter) and parameter.is_flag
        for name in (*parameter.opts, *parameter.secondary_opts)
    ]


def parameter_of(command, option):
    return next(one for one in parameters(command) if option in one.opts)


def words_with(command, option, *values):
    """Return a command line with an option of these values in place of the one it needs."""
    words = NEEDED[command].split()
    if option in words:
        place = words.index(option)
        del words[place : place + 2]
    return [command, *words, *(word for value in values for word in (option, value))]


@pytest.fixture
def refuse(capsys, tmp_path, monkeypatch):
    """Run a command line in an empty folder, and return its one line on stderr after checking that it is a refusal."""
    monkeypatch.chdir(tmp_path)

    def call(words, named, value=None):
        code = run(application(), root.NAME, words)
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith("neurondeath: `"), err
        assert f"`{named}" in err
        assert len(err) <= 401
        assert err.rstrip("\n").isprintable()
        assert value is None or value in err
        assert os.listdir(tmp_path) == []
        return err

    return call


def test_every_command_is_covered():
    assert NEEDED.keys() == COMMANDS.keys()
    assert len(options()) > 100


@pytest.mark.parametrize(("command", "option"), options())
def test_values_of_options(refuse, command, option):
    refuse(words_with(command, option, ""), option, "''")
    refuse(words_with(command, option, "a\x1b[31mb\n"), option, r"a\x1b[31mb\n")
    refuse([*words_with(command, option), option], option, "followed by a value")
    refuse([*words_with(command, option), option, "--", "x"], option, "'--'")
    parameter = parameter_of(command, option)
    if not parameter.multiple:
        err = refuse(words_with(command, option, "1", "2"), option, f"{option} 1")
        assert "given once" in err


@pytest.mark.parametrize(("command", "option"), options())
def test_types_of_options(refuse, command, option):
    annotation = parameter_of(command, option).type_descriptor.annotation
    if annotation is int:
        for value in (*NUMBERS, "1.0", "1e3"):
            refuse(words_with(command, option, value), option, repr(value)[:20])
    elif annotation is float:
        for value in NUMBERS:
            refuse(words_with(command, option, value), option, repr(value)[:20])
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        refuse(words_with(command, option, "TABLE"), option, "'TABLE'")
    elif option.removeprefix("--") in (
        "width",
        "depth",
        "widths",
        "input-seed",
        "tau",
        "m",
        "slope",
        "workers",
        "part",
    ):
        needed = {"tau": "shifted-relu", "m": "hard-tanh", "slope": "leaky-relu"}.get(option.removeprefix("--"))
        for value in NUMBERS[:-1]:
            words = words_with(command, option, value)
            if option == "--widths":
                words = [command, option, value]
            refuse([*words, *(["--activation", needed] if needed else [])], option, repr(value))


@pytest.mark.parametrize(("command", "flag"), flags())
def test_flags(refuse, command, flag):
    if flag in ("--help", "-h"):
        return
    refuse([*words_with(command, flag), f"{flag}=1"], flag, "'1'")
    refuse([*words_with(command, flag), flag, flag], flag, f"{flag} {flag}")


@pytest.mark.parametrize("command", COMMANDS)
def test_words_that_nobody_knows(refuse, command):
    refuse([*words_with(command, ""), "--nosuch=1"], "--nosuch", "'--nosuch=1'")
    refuse([*words_with(command, ""), "-x"], "-x")
    needed = [one for one in parameters(command) if one.required]
    if needed:
        refuse([command], needed[0].opts[0] if not is_argument(needed[0]) else "", "given")
    if not any(one.nargs == -1 for one in parameters(command)):
        refuse([*words_with(command, ""), *["more\x07"] * 3], "neurondeath ", r"'more\x07'")


@pytest.mark.parametrize("words", [["nosuch"], [""], ["-"], ["--nosuch"], ["b\x1bounds"], ["bounds" * 1000]])
def test_commands_that_nobody_knows(refuse, words):
    refuse(words, "")


def contradictions():
    """List command lines that break one rule of the table each."""
    lines = []
    for command, rules in RULES.items():
        lines += [(command, [first, other]) for first, others in rules.excludes.items() for other in others]
        lines += [
            (command, [first, *(["--inputs rays"] * ("no --inputs" in rules.needs[first]))]) for first in rules.needs
        ]
        lines += [(command, [first, "--quick" if "NAME" in first else "--seed"]) for first in rules.alone]
    return lines


@pytest.mark.parametrize(("command", "names"), contradictions())
def test_contradictions(command, names):
    known = {name: one for one in parameters(command) for name in (*one.opts, *one.secondary_opts)}
    required = [one for one in parameters(command) if one.required]
    words = []
    for name in names:
        option, _, value = name.partition(" ")
        if not option.startswith("-"):
            words.append(value or "x")
            assert any(one.name == option.lower() for one in parameters(command))
        elif option in known:
            words.append(option)
            if not known[option].is_flag:
                words.append(f"{value}1" if value.endswith(":") else value or "1")
        else:
            assert option == "--seed"  # of a command without one: any other option does
            words += ["--out", "x"] if "--out" in known else ["--quiet"]
    for one in required:
        if not is_argument(one):
            words += [] if one.opts[0] in words else [one.opts[0], "1"]
        elif not any(not name.startswith("-") for name in names):
            words += ["x"]
    given = check_arguments(command, parameters(command), words, lambda: None)
    with pytest.raises(InvalidArgumentError, match="be used"):
        check_rules(RULES[command], given)


def test_the_rules_name_options_that_exist():
    for command, rules in RULES.items():
        known = {name for one in parameters(command) for name in (*one.opts, *one.secondary_opts)}
        known |= {one.name.upper() for one in parameters(command) if is_argument(one)}
        for table in (rules.alone, rules.needs, rules.excludes):
            for first, others in table.items():
                for name in (first, *others):
                    assert name.removeprefix("no ").partition(" ")[0] in known, (command, name)


def test_rules_count_what_stands_on_the_command_line():
    rules = OptionRules(needs={"--seed": ("--width", "no --inputs")}, alone={"--scales": ("--q",)})
    own = parameters("eoc")

    def check(*words):
        check_rules(rules, check_arguments("eoc", own, ["--activation", "relu", *words], lambda: None))

    check("--seed", "3")  # as there are no --inputs
    with pytest.raises(InvalidArgumentError, match=r"`--scales` must be used alone or with --q"):
        check("--scales")


@pytest.mark.parametrize("word", ["\u2014columns", "\u2013-columns", "\u2212columns=all"])
def test_dashes_that_are_not_ascii_are_no_options(capsys, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    assert run(application(), root.NAME, ["merge", word, "a.sqlite", "b.sqlite"]) == 2
    line = capsys.readouterr().err
    assert "`arguments` must begin with ASCII dashes where they are options" in line
    assert f"write --columns{word.partition('columns')[2]}, or ./{word} for a file" in line
    assert not list(tmp_path.iterdir())


def test_the_studies_made_by_hand_are_those_of_the_table():
    from neurondeath_torch.studies.running import MADE_HERE

    assert {name.partition(" ")[2] for name in RULES["study"].excludes if name.startswith("NAME")} == set(MADE_HERE)


@pytest.mark.parametrize(
    "line",
    [
        "figures activations --redraw --out new",
        "figures activations --out file/below",
        "figures activations nosuch --out new",
        "figures activations --out new --format bmp",
        "figures activations --out taken",
        "plot missing.sqlite --out taken/activations.png",
        "plot missing.sqlite --out pipe.png",
        "plot missing.sqlite --out no/such.png",
        "audit missing.py:build --data digits --picture pipe.png",
        "simulate --width 3 --depth 3 --workers x",
        "simulate --width 3 --depth 3 --part 3/2",
        "simulate --width 3 --depth 3 --scheduler tcp://127.0.0.1:1 --workers 2",
        "simulate --width 3 --depth 3 --columns nope",
        "study collapse --out new",
    ],
)
def test_a_refusal_leaves_nothing(capsys, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / "activations.png").mkdir(parents=True)
    os.mkfifo("pipe.png")
    before = sorted(os.walk(tmp_path))
    assert run(application(), root.NAME, line.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(os.walk(tmp_path)) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), KeyError("key"), EOFError(), SystemExit(3), AssertionError()]
)
def test_a_fault_of_the_program_is_one_line(capsys, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("neurondeath.commands.bounds.read_layers", fail)
    monkeypatch.delenv("NEURONDEATH_TRACEBACK", raising=False)
    assert run(application(), root.NAME, ["bounds", "--width", "3", "--depth", "3"]) == 70
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("neurondeath: ")
    assert "Traceback" not in err
    assert ("ask for less" if isinstance(error, MemoryError) else "NEURONDEATH_TRACEBACK=1") in err
    monkeypatch.setenv("NEURONDEATH_TRACEBACK", "1")
    assert run(application(), root.NAME, ["bounds", "--width", "3", "--depth", "3"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "code", "messages"),
    [
        ("bounds --width 3 --depth 3 >&-", 0, 0),
        ("bounds --width 3 --depth 3 <&- >&- 2>&-", 0, 0),
        ("bounds --width x --depth 3 2>/dev/full", 2, 0),
        ("bounds --width 3 --depth 3 >/dev/full", 2, 1),
        ("bounds --width 2:300 --depth 1:5 --format csv | head -1", 0, 0),
        ("bounds --width x --depth 3 2>&1 >/dev/null | true", 2, 0),
    ],
)
def test_streams(tmp_path, line, code, messages):
    script = f"set -o pipefail; {sys.executable} -m neurondeath {line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (code, messages), done.stderr


def test_a_store_is_not_written_to_by_messages(tmp_path):
    """A closed stderr must not give its number to the database."""
    line = (
        f"{sys.executable} -m neurondeath simulate --width 3 --depth 3 --trials 5 --inputs rays --store s.sqlite 2>&-"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "s.sqlite").read_bytes().startswith(b"SQLite format 3\0")


def wait_until_caught(pid, number, seconds=60.0):
    """Wait until a process has a handler of a signal, which our program installs first of all."""
    deadline = time.monotonic() + seconds
    while True:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        if int(fields["SigCgt"], 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < deadline, "the signal is not caught in time"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_signals_end_every_command_with_one_line(tmp_path, number, word):
    line = ["bounds", "--width", "2:4000", "--depth", "1000", "--format", "csv"]
    with subprocess.Popen(
        [sys.executable, "-m", "neurondeath", *line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path
    ) as running:
        wait_until_caught(running.pid, signal.SIGTERM)
        running.send_signal(number)
        message = running.communicate()[1].decode()
    assert running.returncode == 128 + number
    assert message.splitlines()[-1] == f"neurondeath: {word}"


def test_numbers_in_text():
    assert [whole_number(text) for text in ("7", "+7", "-0", "007")] == [7, 7, 0, 7]
    assert [real_number(text) for text in ("7", ".5", "5.", "-1E-3", "0e0")] == [7.0, 0.5, 5.0, -1e-3, 0.0]
    for wrong in (
        "",
        "+",
        "--1",
        "1_0",
        " 1",
        "1 ",
        "1\n",
        "\u0663",
        "1,0",
        "0x1",
        "True",
        "1e999",
        "1e-999",
        "nan",
        "e5",
    ):
        assert whole_number(wrong) is None
        assert real_number(wrong) is None
