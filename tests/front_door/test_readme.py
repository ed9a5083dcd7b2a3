"""Every example of the README is run: the Python ones as doctests, the commands in a shell."""

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import neurondeath as nd
from neurondeath.commands import COMMANDS

README = Path(__file__).parents[2] / "README.md"


def test_python_examples():
    results = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted >= 16
    assert results.failed == 0


def test_commands(tmp_path):
    text = README.read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    examples = [
        example
        for block in blocks
        for example in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
    ]
    assert len(examples) >= 4
    (experiment,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "experiment.toml").write_text(experiment)
    for command, expected in examples:
        line = command.replace("neurondeath ", f"{sys.executable} -m neurondeath ", 1)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path, check=True)
        assert [row.rstrip() for row in done.stdout.splitlines()] == expected.splitlines(), command


def test_the_networks_of_the_experiment_learn(tmp_path):
    (experiment,) = re.findall(r"```toml\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (tmp_path / "experiment.toml").write_text(experiment)
    command = [sys.executable, "-m", "neurondeath", "train", "experiment.toml", "--quiet", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    accuracies = [run["epochs"][-1]["test_accuracy"] for run in json.loads(done.stdout)["runs"]]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.9  # the README says 94 % and 96 %


def test_it_is_short_and_every_door_is_there():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    table = text.partition("| question |")[2].partition("\n\n")[0]
    commands, names = zip(*(row.split("|")[2:4] for row in table.splitlines()[2:]), strict=True)
    for command in re.findall(r"`(\w+)", "".join(commands)):
        assert command in COMMANDS
    for name in re.findall(r"`(\w+)`", "".join(names)):
        assert name in nd.__all__
    for name in COMMANDS:
        assert f"`{name}" in text or name in ("design", "fetch")


def test_links_lead_somewhere():
    for document in (README, *sorted((README.parent / "docs").glob("*.md")), README.parent / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            if target.startswith("generated/"):  # made when the site is built; see tests/documentation/test_site.py
                continue
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_setup_commands_exist():
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README.read_text(), flags=re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_picture_is_there():
    for picture in re.findall(r"\]\((docs/[^)]+\.png)\)", README.read_text()):
        assert (README.parent / picture).stat().st_size > 10_000
