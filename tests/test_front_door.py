"""The front door: the public surface, what it costs to enter, who imports whom."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import neurondeath as nd

SURFACE = {
    "ActivateWhilePruning",
    "Advice",
    "BatchNormStatement",
    "BranchSurvival",
    "DataAwareBounds",
    "DeadUnitMonitor",
    "DemonPruning",
    "DepthScales",
    "EdgeOfChaos",
    "Escape",
    "FirstLayerDeath",
    "FixedPoint",
    "FixedPoints",
    "GrowingVariance",
    "GrowingWidthSchedule",
    "HoldingBounds",
    "InputSet",
    "InvalidArgumentError",
    "LogWidthSchedule",
    "Network",
    "NeuronDeathError",
    "OneDimensionalSurvival",
    "PhaseDiagram",
    "PiecewiseLinear",
    "Remedy",
    "SafeRegion",
    "SafeWidth",
    "SignFlipGuarantee",
    "Simulation",
    "SparseSurvival",
    "Store",
    "SurvivalBounds",
    "SynapticStripping",
    "TwoPointSurvival",
    "VarianceChain",
    "__version__",
    "absolute_value",
    "absorbed_probability",
    "activation_sparsity",
    "advise",
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
    "correlation_map",
    "correlation_rate",
    "correlation_slope",
    "correlation_trajectory",
    "covariance_map",
    "data_aware_bounds",
    "dense_survival",
    "depth_scales",
    "edge_of_chaos",
    "edge_of_chaos_",
    "escape_probability",
    "first_layer_death",
    "fixed_points",
    "growing_variance",
    "growing_width_schedule",
    "hard_tanh",
    "he_",
    "identity",
    "input_set",
    "leaky_relu",
    "log_width_schedule",
    "make_figure",
    "max_depth",
    "merge_stores",
    "min_width",
    "one_dimensional_survival",
    "pair_survival",
    "phase_diagram",
    "rai_",
    "rai_constant",
    "relu",
    "remove_dead_units",
    "reset_units",
    "residual_survival",
    "safe_region",
    "safe_width",
    "shifted_relu",
    "sign_flip_",
    "sign_flip_guarantee",
    "simulate",
    "skip_survival",
    "soft_threshold",
    "sparse_design",
    "sparse_survival",
    "stably_unactivated_probability",
    "survival_bounds",
    "two_point_survival",
    "variance_chain",
    "variance_curvature",
    "variance_fluctuation",
    "variance_map",
    "variance_slope",
}


def test_public_surface():
    assert set(nd.__all__) == SURFACE
    for name in SURFACE:
        assert getattr(nd, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        nd.nosuch  # noqa: B018


@pytest.mark.parametrize(
    "package", ["neurondeath", "neurondeath_theory", "simulations", "neurondeath_torch", "paper_check"]
)
def test_exports_are_typed_and_are_no_modules(package):
    """Every lazy name is also imported for type checkers, and no module hides a name by sharing it."""
    module = importlib.import_module(package)
    source = Path(module.__file__).read_text()
    for name in module.__all__:
        assert f" {name} as {name}" in source
        assert not isinstance(getattr(module, name), type(sys))


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
