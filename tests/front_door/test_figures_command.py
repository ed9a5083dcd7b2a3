import pytest

import neurondeath.figures.gallery
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.figures.registry import FIGURES

NAME = "figures"


def call(*arguments):
    return run(command_line(NAME, COMMANDS, help=""), NAME, ["figures", *arguments])


def test_list_names_all_figures(capsys):
    assert call("list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["figure", *FIGURES]
    assert call("list", "--columns", "figure") == 0
    assert capsys.readouterr().out.split() == ["figure", *FIGURES]


def test_figures_are_made_and_listed(tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert call("activations", "safe_region", "--quick", "--out", str(folder), "--format", "png,svg") == 0
    captured = capsys.readouterr()
    made = ["activations.png", "activations.svg", "safe_region.png", "safe_region.svg"]
    assert captured.out.split() == [str(folder / name) for name in made]
    assert "[2/2] safe_region" in captured.err
    files = {path.name for path in folder.iterdir()}
    assert files == {*made, "activations.csv", "safe_region.csv", "gallery.md"}
    before = (folder / "activations.png").read_bytes()
    assert call("activations", "--redraw", "--out", str(folder)) == 0
    assert (folder / "activations.png").read_bytes() == before
    assert call("activations", "--redraw", "--out", str(folder), "--no-titles") == 0
    assert (folder / "activations.png").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense", "--out", "OUT"], "`figure`"),
        (["activations"], "`--out`"),
        (["activations", "--out", "OUT", "--format", "bmp"], "`--format`"),
        (["activations", "--out", "OUT", "--redraw"], "without --redraw"),
        (["activations", "--out", "OUT/file/below"], "`--out`"),
        (["activations", "--out", "OUT", "--columns", "all"], "`--columns`"),
        (["list", "--columns", "caption"], "figure, title"),
    ],
)
def test_bad_requests_are_one_line(tmp_path, capsys, arguments, words):
    (tmp_path / "file").write_text("")
    assert call(*(argument.replace("OUT", str(tmp_path)) for argument in arguments)) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert words in message
    assert message.startswith("figures: ")


def test_a_table_that_cannot_be_drawn_is_one_line(tmp_path, capsys):
    assert call("activations", "--quick", "--out", str(tmp_path)) == 0
    table = tmp_path / "activations.csv"
    lines = table.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if not line.startswith("#"))  # the names of the columns
    lines[at] = lines[at].replace(lines[at].split(",")[0], "x" * 5)
    table.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert call("activations", "--redraw", "--out", str(tmp_path)) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interruption_keeps_what_is_finished(tmp_path, capsys, monkeypatch):
    class Interrupted:
        CAPTION = ""

        @staticmethod
        def compute(quick, store):
            raise KeyboardInterrupt

    load = neurondeath.figures.gallery.load
    monkeypatch.setattr(
        neurondeath.figures.gallery, "load", lambda name: Interrupted if name == "safe_region" else load(name)
    )
    assert call("activations", "safe_region", "--quick", "--out", str(tmp_path)) == 130
    assert "![activations]" in (tmp_path / "gallery.md").read_text()
    assert not (tmp_path / "safe_region.csv").exists()
    assert "interrupted with 1 of 2" in capsys.readouterr().err
