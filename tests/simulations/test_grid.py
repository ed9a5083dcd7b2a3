"""Task grids: products, options that vary together or apply only to some values, files, their errors and template."""

import itertools
import re
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath.simulations.engines import choose_engine
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.sweeps.grid import Study, make_grid
from neurondeath.simulations.sweeps.grid_files import read_grid_file
from neurondeath.simulations.sweeps.grid_guide import grid_keys, grid_template
from neurondeath.simulations.sweeps.grid_options import OPTIONS, parse_reals, read_values
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations
from neurondeath_theory.networks.network import Network


def study(**values):
    return Study(factors=[[{option: value} for value in values[option]] for option in values], spell=str)


def ids(*studies):
    return [task.task_id for task in make_grid(studies).tasks]


def test_a_grid_is_the_product_of_its_lists():
    widths, depths, biases, flips = (2, 5), (3, 4), (0.0, 0.5), ("none", "layer")
    expected = []
    for width, depth, bias, flip in itertools.product(widths, depths, biases, flips):
        network = Network([width] * depth, bias_variance=bias, sign_flip=flip)
        points = input_set("gaussian:8", dimension=width)
        expected.append(Task(network, points, engine=choose_engine(network, points)[0]).task_id)
    made = ids(study(width=widths, depth=depths, inputs=["gaussian:8"], bias_variance=biases, sign_flip=flips))
    assert made == expected
    assert len(set(made)) == 16


def test_the_same_task_twice_is_one():
    assert len(ids(study(width=[3, 3], depth=[2]), study(widths=[(3, 3)]))) == 1


def test_options_are_omitted_where_they_do_not_apply():
    tasks = make_grid(
        [study(width=[4], depth=[2], activation=["relu", "shifted-relu"], tau=[0.5, 1.0], inputs=["gaussian:4"])]
    ).tasks
    assert [task.network.activation for task in tasks] == [
        activations.relu(),
        activations.shifted_relu(0.5),
        activations.shifted_relu(1.0),
    ]
    tasks = make_grid([study(width=[4], depth=[2], init=["he", "gaussian", "rai"], weight_variance=[1.0, 3.0])]).tasks
    assert [(task.network.init, task.network.weight_variance) for task in tasks][:3] == [
        ("he", 2.0),
        ("gaussian", 1.0),
        ("gaussian", 3.0),
    ]
    assert len(tasks) == 4
    laws = study(
        width=[4], depth=[2], init=["he", "student-t", "sparse"], degrees_of_freedom=[3.0, 5.0], zero_share=[0.2]
    )
    made = [
        (task.network.init, task.network.degrees_of_freedom, task.network.zero_share)
        for task in make_grid([laws]).tasks
    ]
    assert made == [("he", None, None), ("student-t", 3.0, None), ("student-t", 5.0, None), ("sparse", None, 0.2)]
    tasks = make_grid([study(width=[4], depth=[6], architecture=["plain", "skip"], block_depth=[2, 3])]).tasks
    assert [task.network.block_depth for task in tasks] == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": [4], "depth": [2], "tau": [1.0]}, "tau"),
        ({"width": [4], "depth": [2], "activation": ["shifted-relu"]}, "tau"),
        ({"width": [4], "depth": [2], "weight_variance": [1.0]}, "weight_variance"),
        ({"width": [4], "depth": [2], "init": ["torch-default"], "weight_variance": [1.0]}, "weight_variance"),
        ({"width": [4], "depth": [2], "zero_share": [0.5]}, "only the sparse init"),
        ({"width": [4], "depth": [2], "init": ["sparse"]}, "zero_share"),
        ({"width": [4]}, "depth"),
        ({"width": [4], "depth": [2], "widths": [(4, 4)]}, "widths"),
        ({"width": range(1, 1001), "depth": range(1, 1001)}, "100000"),
        ({"width": [1], "depth": [20_000_000]}, "10000000"),
        ({"width": [1], "depth": [9_999_999, 9_999_998]}, "10000000"),
        ({"width": [4], "depth": [2], "architecture": ["plain", "residual"], "sign_flip": ["layer"]}, "sign_flip"),
    ],
)
def test_invalid_grids_are_refused(values, words):
    with pytest.raises(InvalidArgumentError, match=words):
        make_grid([study(**values)])


@given(st.integers(-1000, 1000), st.integers(0, 60), st.integers(1, 500), st.integers(0, 3))
def test_ranges_of_reals_are_decimal(first, steps, step, digits):
    """Every number equals its decimal text, which sums of floats miss in the last digit."""
    scale = Decimal(10) ** -digits
    numbers = parse_reals("x", f"{first * scale}:{(first + steps * step) * scale}:{step * scale}")
    assert numbers == [float(str((first + i * step) * scale)) for i in range(steps + 1)]


def test_ranges_of_reals():
    assert parse_reals("x", "0:0.3:0.1") == [0.0, 0.1, 0.2, 0.3]
    assert parse_reals("x", "0:0.35:0.1")[-1] == 0.3
    assert parse_reals("x", "1:3,1e-3") == [1.0, 2.0, 3.0, 0.001]
    for wrong in ("", "a", "1:0", "0:1:0", "0:1:-1", "0:1:2:3", "1,,2", "nan:1", "0:inf", "0:1:1e-9"):
        with pytest.raises(InvalidArgumentError):
            parse_reals("x", wrong)


@pytest.mark.parametrize(
    ("option", "raw", "values"),
    [
        ("width", 4, [4]),
        ("width", [2, "4:8:2"], [2, 4, 6, 8]),
        ("widths", [8, 4], [(8, 4)]),
        ("widths", [[8, 4], "2,3"], [(8, 4), (2, 3)]),
        ("widths", "8,4", [(8, 4)]),
        ("input_seed", "0:2", [0, 1, 2]),
        ("tau", [0.5, 1, "2:3"], [0.5, 1.0, 2.0, 3.0]),
        ("init", "he,rai", ["he", "rai"]),
        ("inputs", ["a,b.npy", "rays"], ["a,b.npy", "rays"]),
        ("outputs", ["variance", "sparsity"], [("sparsity", "variance")]),
        ("outputs", "", [()]),
        ("resample_inputs", [False, True], [False, True]),
    ],
)
def test_values(option, raw, values):
    assert read_values("x", option, raw) == values


@pytest.mark.parametrize(
    ("option", "raw"),
    [
        ("width", 0),
        ("width", "2.5"),
        ("width", True),
        ("width", []),
        ("width", [[2]]),
        ("widths", []),
        ("widths", [8, "x"]),
        ("input_seed", -1),
        ("input_seed", "0.5"),
        ("tau", True),
        ("tau", [None]),
        ("init", 3),
        ("stream", ["a"]),
        ("outputs", ["speed"]),
        ("outputs", 3),
        ("resample_inputs", "yes"),
    ],
)
def test_bad_values_name_the_option(option, raw):
    with pytest.raises(InvalidArgumentError, match="--here"):
        read_values("--here", option, raw)


GRID = """
[defaults]
inputs = ["gaussian:8", "rays"]
input_dim = 1
width = 3

[[study]]
name = "biases"
depth = [2, 3]
bias_variance = "0:0.2:0.1"

[[study]]
zip = { width = [4, 8], depth = [10, 20] }
inputs = "gaussian:8"
init = ["he", "orthogonal"]

[[study]]
widths = [[3, 2], [2, 2]]
"""


def test_grid_files(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    tasks = make_grid(read_grid_file(path)).tasks
    found = [(task.network.widths, task.inputs.spec, task.network.init, task.network.bias_variance) for task in tasks]
    expected = [
        ((3,) * depth, spec, "he", bias)
        for depth in (2, 3)
        for spec in ("gaussian:8", "rays")
        for bias in (0.0, 0.1, 0.2)
    ]
    expected += [
        ((width,) * depth, "gaussian:8", init, 0.0)
        for width, depth in ((4, 10), (8, 20))
        for init in ("he", "orthogonal")
    ]
    expected += [(widths, spec, "he", 0.0) for widths in ((3, 2), (2, 2)) for spec in ("gaussian:8", "rays")]
    assert found == expected
    assert all(task.network.input_dim == 1 for task in tasks)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["study"]),
        ("study = 3", ["study"]),
        ("[study]\nwidth = 3", ["[[study]]"]),
        ("[[study]]\nwidth = \ndepth = 2", ["TOML", "line 2"]),
        ("[[study]]\nwidth = 3\ndepth = 2\n[[studies]]", ["studies"]),
        ("[[study]]\nwidth = 3\ndepht = 2", ["study 1", "depht", "width, depth"]),
        ('[[study]]\nwidth = 3\ndepth = 2\n[[study]]\nname = "b"\nwidth = "0"', ["study 2 (b)", "width"]),
        ("[[study]]\nwidth = 3", ["study 1", "depth", "be given"]),
        ("[[study]]\nwidth = 3\ndepth = 2\nbias_variance = -1.0", ["study 1", "bias_variance"]),
        ('[[study]]\nwidth = 3\ndepth = 2\nactivation = "shifted-relu"', ["study 1", "tau"]),
        ('[[study]]\nwidth = 3\ndepth = 2\ninputs = "nosuch:3"', ["study 1, inputs", "nosuch:3"]),
        ("[[study]]\nwidth = 3\ndepth = 2\nname = 5", ["study 1, name"]),
        ("[[study]]\nzip = { width = [3, 4], depth = [2] }", ["study 1, zip, depth", "as many"]),
        ("[[study]]\nwidth = 3\nzip = { width = [3, 4], depth = [2, 3] }", ["study 1, width", "once"]),
        ("[[study]]\nzip = 3", ["zip"]),
        ("[defaults]\nwidht = 3\n[[study]]\nwidth = 3\ndepth = 2", ["defaults, widht"]),
        ("defaults = 3\n[[study]]\nwidth = 3\ndepth = 2", ["defaults"]),
        ("[[study]]\nwidth = 3\ndepth = 2\ntrials = 5", ["study 1, trials"]),
    ],
)
def test_errors_of_grid_files_name_file_table_and_key(tmp_path, text, words):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(InvalidArgumentError) as caught:
        make_grid(read_grid_file(path))
    message = str(caught.value)
    assert "\n" not in message
    for word in ["grid.toml", *words]:
        assert word in message


def test_grid_files_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.toml", ".", "binary.toml"):
        with pytest.raises(InvalidArgumentError, match="--grid"):
            read_grid_file(tmp_path / name)


def test_every_option_of_the_command_is_one_of_the_grid():
    import inspect

    from neurondeath.commands.simulate import simulate

    assert set(OPTIONS) <= set(inspect.signature(simulate).parameters)


def test_the_template_names_every_option_and_can_be_run(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(grid_template())
    tasks = make_grid(read_grid_file(path)).tasks
    expected = ids(study(width=[4, 8, 12, 16], depth=[10, 50]))
    assert [task.task_id for task in tasks] == expected
    shown = dict(re.findall(r"^(?:# )?(\w+) = (.*)$", grid_template(), re.M))
    assert set(shown) == {*OPTIONS, "name", "zip"}
    for option in OPTIONS:
        assert read_values(option, option, tomllib.loads(f"x = {shown[option]}")["x"])


def test_the_zip_of_the_template_can_be_run(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(re.sub(r"^(width|depth) = .*\n", "", grid_template(), flags=re.M).replace("# zip", "zip"))
    tasks = make_grid(read_grid_file(path)).tasks
    assert [task.network.widths for task in tasks] == [(4,) * 10, (8,) * 100]


def test_defaults_of_the_keys_are_those_of_the_grid():
    defaults = {option: key.default for option, key in OPTIONS.items() if key.default is not None}
    written = {option: read_values(option, option, value) for option, value in defaults.items()}
    assert ids(study(width=[4], depth=[3], **written)) == ids(study(width=[4], depth=[3]))


def test_the_table_of_keys_names_values_default_and_meaning():
    keys = grid_keys()
    assert keys["key"] == [*OPTIONS, "name", "zip"]
    row = {name: column[keys["key"].index("init")] for name, column in keys.items()}
    assert row["values"].startswith("he | gaussian | uniform | orthogonal | rai | torch-default | ")
    assert row["default"] == '"he"'
    assert all(keys["meaning"])


@pytest.mark.parametrize("option", ["stream", "inputs"])
def test_names_that_no_store_accepts_are_refused_before_the_work(option):
    for name in ("two\nlines", "red \x1b[31m", "x" * 5000):
        with pytest.raises(InvalidArgumentError, match="printable text"):
            read_values(option, option, name)
    with pytest.raises(InvalidArgumentError, match="printable text"):
        Task(Network([2]), input_set("rays"), stream="a\x00b")
