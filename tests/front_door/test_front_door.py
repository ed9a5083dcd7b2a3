"""The front door: the public surface, what it costs to enter, who imports whom."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neurondeath as nd

SURFACE = {
    "ActivateWhilePruning",
    "Advice",
    "Alarm",
    "AngleLaw",
    "AngleStep",
    "AssumptionError",
    "Audit",
    "AuditedLayer",
    "AuxK",
    "BatchNormStatement",
    "BranchSurvival",
    "Certificate",
    "ClippedShiftedReLU",
    "ClippedSoftThreshold",
    "Clones",
    "Constant",
    "ContinualBackprop",
    "ContradictionError",
    "CountWorth",
    "CriticalResidual",
    "CriticalResidualConv2d",
    "DataAwareBounds",
    "DeadUnitCount",
    "DeadUnitMonitor",
    "DeadUnitReport",
    "DemonPruning",
    "DepthScales",
    "EdgeOfChaos",
    "Escape",
    "Evidence",
    "Experiment",
    "FIGURES",
    "FeatureRank",
    "FeatureRemedy",
    "FirstLayerDeath",
    "FixedPoint",
    "FixedPoints",
    "GlobalPruning",
    "GrowingVariance",
    "GrowingWidthSchedule",
    "HoldingBounds",
    "Initialisation",
    "InputSet",
    "Interrupted",
    "InvalidArgumentError",
    "JumpReLU",
    "L2Init",
    "Law",
    "LawRemedy",
    "LearningRateForLife",
    "LearningVerdict",
    "LogSizes",
    "LogWidthSchedule",
    "LooksLinear",
    "Merge",
    "MethodReport",
    "MissingExtraError",
    "MisuseWarning",
    "ModelForecast",
    "NeededUnits",
    "Network",
    "NeuronDeathError",
    "NoMethod",
    "OneCycle",
    "OneDimensionalSurvival",
    "OnnxExport",
    "Overlap",
    "OverlapError",
    "PaddedResidual",
    "PhaseDiagram",
    "PiecewiseLinear",
    "ReDo",
    "Remedy",
    "RemedyForecast",
    "Removal",
    "Report",
    "Reset",
    "ResidualChain",
    "ResidualFluctuations",
    "ResidualPaths",
    "ResidualRewiring",
    "SafeRegion",
    "SafeWidth",
    "SelfNormalisedResets",
    "ShiftedReLU",
    "SignFlip",
    "SignFlipGuarantee",
    "Simulation",
    "SimulationResults",
    "SmoothLeaky",
    "SoftThreshold",
    "SparseAutoencoderDeath",
    "SparseNetwork",
    "SparseSurvival",
    "Store",
    "StoreError",
    "StructuredPruning",
    "SurvivalBounds",
    "SynapticStripping",
    "TailoredSlope",
    "Task",
    "TensorBoardWriter",
    "TiedLinear",
    "TopK",
    "Trainability",
    "TrainingMethod",
    "TrainingRun",
    "TwoPointSurvival",
    "UnitActivity",
    "UnitWatch",
    "VarianceChain",
    "Verdict",
    "WandbWriter",
    "WeightMasks",
    "__version__",
    "absolute_value",
    "absorbed_probability",
    "activation_sparsity",
    "advise",
    "angle_law",
    "angle_step",
    "audit",
    "batch_norm_statement",
    "bernoulli_confidence_sequence",
    "bounded_mean_confidence_sequence",
    "bounds_that_hold",
    "check",
    "chi1",
    "chi1_slope",
    "cite",
    "clipped_shifted_relu",
    "clipped_soft_threshold",
    "convolution_covariance_map",
    "convolution_input_covariance",
    "correlation_flow",
    "correlation_map",
    "correlation_rate",
    "correlation_slope",
    "correlation_trajectory",
    "count_worth",
    "covariance_map",
    "critical_residual",
    "data_aware_bounds",
    "dead_unit_count",
    "dense_survival",
    "depth_scales",
    "edge_of_chaos",
    "edge_of_chaos_",
    "entropy_rank",
    "entropy_rank_of_gram",
    "escape_probability",
    "export_onnx",
    "find_clones",
    "first_layer_death",
    "fixed_points",
    "forecast",
    "from_theory",
    "gradient_dormant",
    "growing_variance",
    "growing_width_schedule",
    "hard_tanh",
    "he_",
    "identity",
    "input_set",
    "kernel_share",
    "largest_effective_depth",
    "leaky_correlation",
    "leaky_relu",
    "learning_rate_for_life",
    "learning_score",
    "learning_verdict",
    "lightning_callback",
    "load_shrunk",
    "load_sparse",
    "load_trained",
    "log_sizes",
    "log_width_schedule",
    "looks_linear",
    "looks_linear_",
    "make_figure",
    "max_depth",
    "merge_stores",
    "min_width",
    "mirrored_weights",
    "needed_share",
    "needed_units",
    "one_dimensional_survival",
    "padded_residual",
    "pair_survival",
    "parallel_probability",
    "participation_ratio",
    "participation_ratio_of_gram",
    "phase_diagram",
    "rai_",
    "rai_constant",
    "read_experiments",
    "read_results",
    "read_study",
    "relu",
    "remove_dead_units",
    "remove_units",
    "resample_units",
    "reset_units",
    "residual_",
    "residual_chain",
    "residual_fluctuations",
    "residual_survival",
    "root_rank",
    "safe_region",
    "safe_width",
    "save_trained",
    "shifted_relu",
    "sign_flip_",
    "sign_flip_guarantee",
    "simulate",
    "skip_survival",
    "small_angle_step",
    "smooth_leaky_",
    "soft_threshold",
    "sparse_autoencoder_death",
    "sparse_design",
    "sparse_inference",
    "sparse_survival",
    "stably_unactivated_probability",
    "survival_bounds",
    "sweep",
    "tailored_leaky_relu",
    "tailored_slope",
    "to_theory",
    "train",
    "train_many",
    "trainability",
    "trainer_callback",
    "two_point_survival",
    "variance_chain",
    "variance_curvature",
    "variance_flow",
    "variance_fluctuation",
    "variance_map",
    "variance_slope",
    "wide_feature_rank",
}
SIMULATED = {"advise"}  # of the theory, and simulated under the same name at the front door
PACKAGES = (
    "neurondeath",
    "neurondeath_theory",
    "neurondeath.simulations",
    "neurondeath_torch",
    "neurondeath.figures",
    "neurondeath.paper_check",
)


def test_public_surface():
    assert set(nd.__all__) == SURFACE
    for name in SURFACE:
        assert getattr(nd, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        nd.nosuch  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_once(package):
    """The stub names every lazy name once, in a module that has it, and no module hides a name by sharing it."""
    module = importlib.import_module(package)
    stub = ast.parse(Path(module.__file__).with_suffix(".pyi").read_text())
    listed = [alias for statement in stub.body if isinstance(statement, ast.ImportFrom) for alias in statement.names]
    assert all(alias.name == alias.asname for alias in listed)  # re-exported for type checkers
    assert sorted(alias.name for alias in listed) == module.__all__
    for name in module.__all__:
        assert not isinstance(getattr(module, name), type(sys))


def test_the_front_door_has_every_public_name_and_groups_it():
    modules = [importlib.import_module(package) for package in PACKAGES[1:]]
    for module in modules:
        for name in set(module.__all__) - SIMULATED:
            assert getattr(nd, name) is getattr(module, name)
    theory, simulations = modules[:2]
    for name in SIMULATED:
        assert getattr(nd, name) is getattr(simulations, name) is not getattr(theory, name)
    grouped = nd.__doc__.partition("need the extra `torch`.")[2]
    words = re.findall(r"\w+", "".join(line for line in grouped.splitlines(True) if line.startswith("    ")))
    assert sorted(words) == sorted(SURFACE - {"__version__"})


def loaded_by(program):
    listing = f"{program}\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


HEAVY = {"numba", "llvmlite", "matplotlib", "sympy", "mpmath", "pandas", "torch", "sklearn"}


def test_entering_costs_nothing():
    assert not loaded_by("import neurondeath") & (HEAVY | {"numpy", "scipy", "typer", "rich"})


def test_bounds_load_neither_numba_nor_matplotlib_nor_scipy():
    command = "import sys; sys.argv = ['neurondeath', 'bounds', '--width', '3', '--depth', '5', '--format', 'json']"
    loaded = loaded_by(f"{command}\nfrom neurondeath.__main__ import main; main()")
    assert "numpy" in loaded
    assert not loaded & (HEAVY | {"scipy", "sqlite3"})


def test_help_imports_no_subcommand():
    command = "import sys; sys.argv = ['neurondeath', '--help']"
    assert not loaded_by(f"{command}\nfrom neurondeath.__main__ import main; main()") & (HEAVY | {"scipy"})


def test_runs_with_nothing_to_sample_load_no_compiler(tmp_path):
    store = str(tmp_path / "store.sqlite")
    nd.simulate(nd.Network(width=3, depth=4), "gaussian:1", trials=20, store=store)
    grid = ["--width", "3", "--depth", "4", "--inputs", "gaussian:1", "--trials"]
    again = ["simulate", *grid, "20", "--store", store, "--workers", "1"]
    for arguments, compiles in (
        (again, False),
        (["simulate", *grid, "40", "--store", store, "--workers", "1"], True),
        (["results", store], False),
    ):
        command = f"import sys; sys.argv = ['neurondeath', *{arguments}]"
        loaded = loaded_by(f"{command}\nfrom neurondeath.__main__ import main; main()")
        assert "sqlite3" in loaded
        assert loaded & (HEAVY - {"numba", "llvmlite"}) == set()
        assert ("numba" in loaded) is compiles
        assert ("llvmlite" in loaded) is compiles
