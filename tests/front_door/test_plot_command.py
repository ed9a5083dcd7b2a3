"""`plot`: any column against any other, pictures that show the estimates, errors of one line."""

import os

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import same_color, to_rgb

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.commands.picture_options import PictureOptions
from neurondeath.figures.picture import colour
from neurondeath.figures.store_map import draw_store_map
from neurondeath.figures.store_plot import draw_store_plot
from neurondeath.simulations.estimation.layer_table import layer_table
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network


@pytest.fixture(scope="module")
def simulations():
    return [
        simulate(Network([width] * 6, init=init), "gaussian:8", trials=100, outputs=["sparsity"])
        for width in (4, 2, 3)
        for init in ("he", "orthogonal")
    ]


def markers(axis, index):
    """Return the coordinates of the markers of the index-th curve."""
    (line,) = [
        line
        for line in axis.lines
        if line.get_marker() not in ("None", None, "") and same_color(line.get_color(), colour(index))
    ]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def bands(axis):
    return [one for one in axis.collections if isinstance(one, PolyCollection)]


def test_living_ratio_against_width(simulations):
    table = layer_table(simulations, layer="last")
    (axis,) = draw_store_plot(table, x="width", y="living_ratio").axes
    by_init = {init: [s for s in simulations if s.network.init == init] for init in ("he", "orthogonal")}
    for index, init in enumerate(("he", "orthogonal")):
        sampled = sorted(by_init[init], key=lambda s: s.network.widths[0])
        x, y = markers(axis, index)
        assert x.tolist() == [2, 3, 4]
        assert y.tolist() == [s.living_ratio[-1] for s in sampled]
        top = bands(axis)[index].get_paths()[0].vertices[:, 1].max()
        assert top == pytest.approx(max(s.living_ratio[-1] + 1.96 * s.living_ratio_stderr[-1] for s in sampled), 1e-3)
        exact = [s.expected_living_ratio[-1] for s in sampled]
        assert any(line.get_ydata().tolist() == exact for line in axis.lines if len(line.get_ydata()) == 3)
    texts = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert texts == ["he", "orthogonal", "exact mean"]
    (bare,) = draw_store_plot(table, x="width", y="living_ratio", bounds=False).axes
    assert len(bare.lines) == 2


def test_death_against_depth_is_alive_turned_over(simulations):
    table = layer_table(simulations[:1])
    (axis,) = draw_store_plot(table, y="death").axes
    simulation = simulations[0]
    x, y = markers(axis, 0)
    assert x.tolist() == [1, 2, 3, 4, 5, 6]
    assert y.tolist() == simulation.death.tolist()
    assert bands(axis)[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(1 - simulation.low.min())
    drawn = [line.get_ydata().tolist() for line in axis.lines]
    assert (1 - simulation.upper_bound).tolist() in drawn
    assert (1 - simulation.lower_bound).tolist() in drawn


def test_words_along_the_picture(simulations):
    table = layer_table(simulations, layer="last")
    (axis,) = draw_store_plot(table, x="init", group_by=["width"]).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["he", "orthogonal"]
    for index, width in enumerate((2, 3, 4)):
        x, y = markers(axis, index)
        assert np.round(x).tolist() == [0, 1]
        assert y.tolist() == [s.alive[-1] for s in simulations if s.network.widths[0] == width]


def test_curves_are_named_by_the_fewest_columns(simulations):
    one = draw_store_plot(layer_table(simulations[:1]))
    assert [text.get_text() for text in one.legends[0].get_texts()] == ["lower bound", "upper bound"]
    several = draw_store_plot(layer_table(simulations), bounds=False)
    assert [text.get_text() for text in several.legends[0].get_texts()] == [
        f"width {width}, {init}" for width in (2, 3, 4) for init in ("he", "orthogonal")
    ]


def test_logarithmic_axes_leave_out_what_is_not_above_zero(simulations):
    flipped = simulate(Network([6] * 3, sign_flip="neuron"), "gaussian:4", trials=10)
    table = layer_table([simulations[2], flipped])
    figure = draw_store_plot(table, y="death", log_x=True, log_y=True)
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    known = [value for value in simulations[2].death if value > 0]
    assert markers(figure.axes[0], 0)[1].tolist() == known


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": "nope"}, "nope"),
        ({"y": "nope"}, "nope"),
        ({"y": "network"}, "numbers"),
        ({"group_by": ["nope"]}, "nope"),
        ({"x": "width", "group_by": ["init"]}, "depth"),
        ({"x": "init", "log_x": True}, "words"),
        ({"y": "tau"}, "value"),
    ],
)
def test_pictures_that_mean_nothing(simulations, options, words):
    table = layer_table(simulations) | {"tau": [None] * 36}
    with pytest.raises(InvalidArgumentError, match=words):
        draw_store_plot(table, **options)


def test_too_many_curves(simulations):
    table = layer_table(simulations[:1], layer="last")
    many = {name: values * 40 for name, values in table.items()} | {"seed": list(range(40))}
    figure = draw_store_plot(many)  # of one number: a colour bar
    assert figure.axes[1].get_ylabel() == "seed"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lower bound", "upper bound"]
    named = many | {"engine": [f"engine {number}" for number in range(40)], "seed": [0] * 40}
    with pytest.raises(InvalidArgumentError, match="16 curves"):
        draw_store_plot(named)


def test_many_curves_of_one_number_get_ordered_colours(simulations):
    table = layer_table(simulations[:1], layer="all")
    many: dict[str, list] = {name: [] for name in table}
    for seed in range(7):
        for name, values in table.items():
            many[name] += [seed] * len(values) if name == "seed" else list(values)
    axis, bar = draw_store_plot(many, bounds=False).axes
    shades = [sum(to_rgb(line.get_color())) for line in axis.lines]
    assert len(shades) == 7
    assert shades == sorted(shades)
    assert bar.get_ylabel() == "seed"


def test_only_the_deepest_of_nested_networks_is_drawn():
    nets = [simulate(Network([2] * depth), "gaussian:8", trials=50) for depth in (3, 6, 4)]
    (axis,) = draw_store_plot(layer_table(nets, layer="all")).axes
    assert [len(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "None"] == [6]
    assert all(tick == int(tick) for tick in axis.get_xticks())
    both = [*nets, simulate(Network([3] * 4), "gaussian:8", trials=50)]
    (axis,) = draw_store_plot(layer_table(both, layer="all")).axes
    assert [len(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "None"] == [6, 4]


def test_streams_of_other_depths_are_not_nested():
    """With an effective depth the branches are scaled by the depth: no network's layers are those of another."""
    nets = [
        simulate(Network([2] * depth, architecture="residual", effective_depth=1.0), "gaussian:8", trials=50)
        for depth in (3, 6)
    ]
    (axis,) = draw_store_plot(layer_table(nets, layer="all")).axes
    assert sorted(len(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "None") == [3, 6]


def test_a_map_shows_every_cell():
    nets = [simulate(Network([width] * depth), "gaussian:8", trials=50) for depth in (9, 2) for width in (3, 2)]
    table = layer_table(nets, layer="last")
    axis, bar = draw_store_map(table).axes
    values = axis.collections[0].get_array().reshape(2, 2)
    expected = {(s.network.depth, s.network.widths[0]): s.alive[-1] for s in nets}
    assert values.tolist() == [[expected[2, 2], expected[2, 3]], [expected[9, 2], expected[9, 3]]]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["2", "3"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["2", "9"]
    assert (axis.get_xlabel(), axis.get_ylabel(), bar.get_ylabel()) == ("width", "depth (hidden layers)", "P(alive)")
    assert len(axis.texts) == 4
    with pytest.raises(InvalidArgumentError, match="one row for every cell"):
        draw_store_map(layer_table(nets, layer="all"))
    with pytest.raises(InvalidArgumentError, match="column of numbers"):
        draw_store_map(table, y="init")
    with pytest.raises(InvalidArgumentError, match="name a column"):
        draw_store_map(table, x="nope")


@pytest.fixture
def plot(caller):
    call = caller("nd")
    for width in (2, 3):
        simulate(Network([width] * 5), "gaussian:8", trials=60, store="s.sqlite")
    return lambda line: call(f"plot s.sqlite {line}")


def test_pictures_from_the_command_line(plot, tmp_path):
    code, out, err = plot("--x width --y living_ratio --out a.png --out b.pdf --out c.svg --no-bounds --log-x")
    assert (code, out) == (0, "a.png\nb.pdf\nc.svg\n")
    assert "drew 2 tasks" in err
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (tmp_path / "c.svg").read_bytes()
    assert "drew 1 tasks" in plot("--where width=2")[2]
    assert (tmp_path / "survival_depth.png").exists()
    assert "drew 2 tasks" in plot("--where depth<=3 --log --out d.png")[2]


def test_several_stores_are_drawn_and_listed_together(plot, tmp_path, capsys):
    simulate(Network([4] * 5), "gaussian:8", trials=60, store="t.sqlite")
    assert "drew 3 tasks" in plot("t.sqlite s.sqlite --kind map --out m.png")[2]
    assert run(command_line("nd", COMMANDS, help=""), "nd", ["results", "t.sqlite", "s.sqlite", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3 * 5
    assert sorted(os.listdir(tmp_path)) == ["m.png", "s.sqlite", "t.sqlite"]


def test_options_change_the_picture(plot, tmp_path):
    assert plot("--title T<$ --size 4x2 --dpi 50 --xlim 0:3 --ylim 0:1 --style ggplot --out a.svg --out a.png")[0] == 0
    assert b"T&lt;$" in (tmp_path / "a.svg").read_bytes() or b"T<$" in (tmp_path / "a.svg").read_bytes()
    width, height = (int.from_bytes((tmp_path / "a.png").read_bytes()[at : at + 4], "big") for at in (16, 20))
    assert abs(width - 200) < 30
    assert abs(height - 100) < 30
    look = PictureOptions.read(xlim="0:3", ylim="1:0")
    figure = draw_store_plot(layer_table([simulate(Network([2] * 3), "gaussian:8", trials=20)], layer="all"))
    look.apply(figure)
    assert (figure.axes[0].get_xlim(), figure.axes[0].get_ylim()) == ((0.0, 3.0), (1.0, 0.0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--x nope", "nope"),
        ("--where width=9", "conditions"),
        ("--where width", "--where"),
        ("--layer 0", "--layer"),
        ("--layer 9", "got 9"),
        ("--out a.bmp", ".png, .pdf, .svg"),
        ("--out no/such/a.png", "folder"),
        ("--x width --group-by inputs --layer all", "tell the rows"),
        ("--size 5", "width x height in inches"),
        ("--size 0x3", "--size"),
        ("--size 60x60 --dpi 2400", "pixels"),
        ("--dpi nan", "--dpi"),
        ("--xlim 1", "first:last"),
        ("--ylim 1:1", "two different ends"),
        ("--style no_such_style", "be a style of matplotlib"),
        ("--kind map --group-by width,init", "name one column"),
        ("--kind map --log-x", "--log-x"),
    ],
)
def test_bad_pictures_are_one_line(plot, tmp_path, options, words):
    code, out, err = plot(options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert os.listdir(tmp_path) == ["s.sqlite"]
