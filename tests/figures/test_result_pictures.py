"""Every class of results has a picture, drawn from its own data, and a LaTeX and a notebook table."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from torch import nn

import neurondeath as nd
from neurondeath.figures.result_pictures import PICTURES
from neurondeath.simulations.inference.speed import inference_speed
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.latex_tables import latex_number
from neurondeath_theory.foundation.results import Result
from neurondeath_torch.deploying.onnx_export import OnnxExport
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.run_merging import merge_run_stores
from neurondeath_torch.training.run_store import RunStore
from tests.torch.test_count_worth import made_up

DESIGN = nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
POINTS = np.random.default_rng(0).normal(size=(12, 3))


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))


def with_dead_units():
    made = model()
    with torch.no_grad():
        made[0].bias[:2] = -100.0
    return made


def watched():
    made = model()
    with nd.DeadUnitMonitor(made) as monitor:
        made(torch.tensor(POINTS, dtype=torch.float32))
    return monitor.report()


def stripped():
    made = with_dead_units()
    method = nd.SynapticStripping(made, data=torch.tensor(POINTS, dtype=torch.float32), every=1, min_points=12)
    method.after_epoch()
    return method.report()


def merged(folder):
    for name in ("a", "b"):
        nd.simulate(nd.Network([3] * 2), trials=20, store=folder / f"{name}.sqlite", seed=ord(name))
    return nd.merge_stores(folder / "all.sqlite", [folder / "a.sqlite", folder / "b.sqlite"])


def merged_runs(folder):
    description = read_experiments({"epochs": 1})[0][0]
    with RunStore(folder / "one.sqlite") as store:
        store.begin(
            description.experiment_id, 0, name=description.name, description=description.description(), provenance={}
        )
        store.note(description.experiment_id, 0, 0, {"test_accuracy": 0.1})
    return merge_run_stores(folder / "all.sqlite", [folder / "one.sqlite"])


def trained_many():
    x = torch.linspace(-1, 1, 16).reshape(-1, 1)
    return nd.train_many(lambda: nn.Linear(1, 1), x, x.abs(), n_networks=8, steps=3)


DATA = torch.tensor(POINTS, dtype=torch.float32)
MAKERS = {
    "Advice": lambda _: nd.advise(4, 20),
    "AngleLaw": lambda _: nd.angle_law([6] * 5, 1.0),
    "Audit": lambda _: nd.audit(model(), DATA),
    "BatchNormStatement": lambda _: nd.batch_norm_statement([4] * 6, 8),
    "BranchSurvival": lambda _: nd.residual_survival(3, 8),
    "Certificate": lambda _: (
        nd.remove_dead_units(with_dead_units(), data=DATA, min_points=12, certify=True).certificate
    ),
    "CountWorth": lambda _: nd.count_worth(made_up(2.0), draws=50),
    "DataAwareBounds": lambda _: nd.data_aware_bounds(POINTS, [3] * 4),
    "DeadUnitCount": lambda _: nd.dead_unit_count(nd.Network([3] * 3, architecture="residual"), "gaussian:6"),
    "DeadUnitReport": lambda _: watched(),
    "DepthScales": lambda _: nd.depth_scales(DESIGN.activation, 1.0, DESIGN.sigma_w2, DESIGN.sigma_b2),
    "EdgeOfChaos": lambda _: DESIGN,
    "Escape": lambda _: nd.escape_probability(DESIGN, 50, 10, n_paths=50),
    "FeatureRank": lambda _: nd.wide_feature_rank(POINTS, 4),
    "FirstLayerDeath": lambda _: nd.first_layer_death(POINTS[:, :2], 3),
    "FixedPoints": lambda _: DESIGN.fixed_points,
    "GrowingVariance": lambda _: nd.growing_variance("clipped-shifted-relu", 0.85, m=2.0, q=[1.0, 2.0, 4.0]),
    "GrowingWidthSchedule": lambda _: nd.growing_width_schedule(20, 0.5, 3.0),
    "InferenceSpeed": lambda _: inference_speed(DESIGN, 16, 2, [1, 2]),
    "Initialisation": lambda _: nd.he_(model()),
    "LearningRateForLife": lambda _: nd.learning_rate_for_life("dead_units"),
    "LogSizes": lambda _: nd.log_sizes([6] * 5),
    "LogWidthSchedule": lambda _: nd.log_width_schedule([8, 16, 32], 2.0),
    "LooksLinear": lambda _: nd.looks_linear([8, 6], input_dim=3),
    "ManyNetworks": lambda _: trained_many(),
    "Merge": merged,
    "MethodReport": lambda _: stripped(),
    "ModelForecast": lambda _: nd.forecast(model(), DATA),
    "NeededUnits": lambda _: nd.needed_units(DESIGN, [1, 8], depth=6, effective_depth=1.0),
    "OneDimensionalSurvival": lambda _: nd.one_dimensional_survival([3] * 6),
    "OnnxExport": lambda folder: OnnxExport(
        path=folder / "model.onnx",
        n_bytes=900,
        opset=17,
        inputs=("x",),
        outputs=("y",),
        n_weights=120,
        n_zeros=20,
        n_sparse=1,
        n_points=8,
        error=1e-7,
    ),
    "Overlap": lambda _: watched().overlap(watched()),
    "PaddedResidual": lambda _: nd.padded_residual(DESIGN, [4, 4], [3, 3], 3),
    "PhaseDiagram": lambda _: nd.phase_diagram(nd.relu(), [1.0, 1.5], [0.0, 0.5]),
    "Removal": lambda _: nd.remove_dead_units(with_dead_units(), data=DATA, min_points=12),
    "Report": lambda _: nd.check("R1"),
    "Clones": lambda _: nd.find_clones(with_dead_units(), DATA),
    "Reset": lambda _: nd.reset_units(with_dead_units(), {"0": [0, 1]}, data=DATA),
    "ResidualChain": lambda _: nd.residual_chain(DESIGN, width=20, depth=4, n_paths=20),
    "ResidualFluctuations": lambda _: nd.residual_fluctuations(DESIGN, 4),
    "ResidualPaths": lambda _: nd.critical_residual(DESIGN, 4),
    "ResidualRewiring": lambda _: nd.residual_(model()),
    "RunMerge": merged_runs,
    "SafeRegion": lambda _: nd.safe_region([2, 4, 8], [10, 100]),
    "SafeWidth": lambda _: nd.safe_width(DESIGN, 5),
    "SignFlip": lambda _: nd.sign_flip_(model(), DATA),
    "SignFlipGuarantee": lambda _: nd.sign_flip_guarantee([4] * 10, 100),
    "Simulation": lambda _: nd.simulate(nd.Network([3] * 4), trials=50),
    "SimulationResults": lambda _: nd.sweep(width=[2, 3], depth=4, trials=50),
    "SparseAutoencoderDeath": lambda _: nd.sparse_autoencoder_death(POINTS, n_features=100, k=5),
    "SparseNetwork": lambda _: nd.sparse_inference(model(), DATA, batches=[1]),
    "SparseSurvival": lambda _: nd.sparse_survival(DESIGN, 20, 6, n_paths=50),
    "StudyTable": lambda _: nd.read_study("dead_units"),
    "SurvivalBounds": lambda _: nd.survival_bounds([3] * 6),
    "TailoredSlope": lambda _: nd.tailored_slope(20),
    "Trainability": lambda _: nd.trainability(nd.Network([4] * 4), networks=2),
    "TrainingRun": None,  # tests/torch/test_training_loop.py
    "TwoPointSurvival": lambda _: nd.two_point_survival([3] * 6, 1.0),
    "VarianceChain": lambda _: nd.variance_chain(
        DESIGN.activation, DESIGN.sigma_w2, DESIGN.sigma_b2, width=30, depth=8, n_paths=50
    ),
}


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_class_of_results_has_a_picture():
    for package in ("neurondeath_theory", "neurondeath_torch", "neurondeath.simulations", "neurondeath.paper_check"):
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not module.name.endswith("__main__") and ".checkers." not in module.name:
                importlib.import_module(module.name)
    classes = {kind.__name__ for kind in subclasses(Result) if kind.__module__.startswith("neurondeath")}
    assert classes == set(PICTURES) == set(MAKERS)


@pytest.mark.parametrize("name", [name for name, make in MAKERS.items() if make is not None])
def test_results_draw_and_print(name, tmp_path):
    result = MAKERS[name](tmp_path)
    assert type(result).__name__ == name
    assert repr(result) == str(result)
    result.plot(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 2000
    latex = result.to_latex()
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(next(iter(result.columns().values())))
    assert len({line.count(" & ") for line in rows}) == 1
    assert "<table>" in result._repr_html_()
    with pytest.raises(InvalidArgumentError, match="end in"):
        result.plot(tmp_path / "picture.jpg")


def test_a_value_and_its_error_are_one_column():
    simulation = MAKERS["Simulation"](None)
    latex = simulation.to_latex(["depth", "living_ratio"])
    first = latex.splitlines()[4]
    value, error = simulation.living_ratio[0], simulation.living_ratio_stderr[0]
    assert first == f"$1$ & {latex_number(value, error)} \\\\"
    assert r"living\_ratio \\" in latex
    assert "stderr" not in latex
    with pytest.raises(InvalidArgumentError, match="columns\\[0\\]"):
        simulation.to_latex(["nothing"])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.30421, 0.00154, "$0.3042(15)$"),
        (0.3, 0.0996, r"$0.30(10)$"),
        (1234.5, 67.0, "$1234(67)$"),
        (1.2345e-9, 2.1e-11, r"$1.234(21) \times 10^{-9}$"),
        (0.0, 0.0, "$0$"),
        (5.0e-14, 3e-12, r"$0.1(30) \times 10^{-12}$"),
        (float("inf"), None, r"$\infty$"),
        (float("nan"), 0.1, "--"),
        (99999.0, None, r"$9.9999 \times 10^{4}$"),
    ],
)
def test_numbers_in_latex(value, error, text):
    assert latex_number(value, error) == text


def test_long_tables_of_notebooks_show_both_ends():
    html = nd.survival_bounds([9] * 200)._repr_html_()
    assert html.count("<tr>") == 1 + 31
    assert "170 of 200 rows hidden" in html
    assert ">1</td>" in html
    assert ">200</td>" in html
    wide = nd.simulate(nd.Network([3] * 2), trials=20, outputs=["dead_units", "variance"])
    assert "columns hidden: " in wide._repr_html_()
    assert nd.advise(4, 20)._repr_html_().count("text-align:left") > 4
