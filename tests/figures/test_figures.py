import numpy as np
import pytest

from neurondeath.figures.picture import save, thinned
from neurondeath.figures.survival.survival_depth import draw_survival_depth
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network


@pytest.fixture(scope="module")
def simulations():
    return [simulate(Network([width] * 10), "gaussian:16", trials=400) for width in (2, 3)]


def test_survival_depth_draws_what_was_estimated(simulations):
    figure = draw_survival_depth(simulations)
    (axis,) = figure.axes
    drawn = {(tuple(line.get_xdata()), tuple(np.round(line.get_ydata(), 12))) for line in axis.lines}
    depth = tuple(range(1, 11))
    for simulation in simulations:
        for values in (simulation.lower_bound, simulation.upper_bound, simulation.alive):
            assert (depth, tuple(np.round(values, 12))) in drawn
    assert axis.get_xlabel()
    assert axis.get_ylabel() == "P(alive)"


def test_a_panel_for_every_input_set(simulations):
    other = simulate(Network([2] * 10), "cube:16", trials=100)
    assert len(draw_survival_depth([*simulations, other]).axes) == 2


@pytest.mark.parametrize("name", ["picture.bmp", "picture", "no/such/picture.png"])
def test_bad_targets(simulations, tmp_path, name):
    with pytest.raises(InvalidArgumentError):
        save(draw_survival_depth(simulations), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_thinning_keeps_the_last():
    assert list(thinned(10, 20)) == list(range(10))
    assert list(thinned(50, 26)) == list(range(1, 50, 2))
