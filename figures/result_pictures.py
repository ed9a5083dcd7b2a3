"""Pictures of results: how each class of results is drawn."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.column_pictures import Bars, Curves, Histograms, WordMap
from neurondeath.figures.picture import COLUMN, check_picture, colour, house_style, new_figure, save

__all__ = ["PICTURES", "draw_result"]

P_ALIVE = "P(alive)"
MEASURED = ("test_accuracy", "accuracy", "loss")  # of a study, the first that its table has


def draw_result(result: Any, path: str | Path | None = None) -> Figure:
    """Draw a result, and with `path` also save the picture.

    Parameters
    ----------
    result : Result
        The result to draw, from its own data alone.
    path : path, optional
        A .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Raises
    ------
    InvalidArgumentError
        If the ending is not a supported format, or the folder does not exist.
    NotImplementedError
        If there is no picture of this class of results.
    """
    if path is not None:
        check_picture("path", path)
    drawer = next((PICTURES[kind.__name__] for kind in type(result).__mro__ if kind.__name__ in PICTURES), None)
    if drawer is None:
        raise NotImplementedError(f"there is no picture of a {type(result).__name__}; draw its `columns()`")
    figure = drawer(result)
    if path is not None:
        save(figure, path, name="path")
    return figure


def _draw_simulations(result: Any) -> Figure:
    """Draw P(alive) against depth between the bounds, of one or several tasks."""
    from neurondeath.figures.survival.survival_depth import draw_survival_depth

    return draw_survival_depth(list(getattr(result, "simulations", [result])))


def _draw_audit(result: Any) -> Figure:
    from neurondeath.figures.audit_picture import draw_audit

    return draw_audit(result)


def _draw_design(result: Any) -> Figure:
    """Draw the variance map of a design, or of fixed points, with its fixed points."""
    from neurondeath_theory.gaussian_limit.variance import variance_map

    points = getattr(result, "fixed_points", result).points
    found = [point.q for point in points if point.q > 0.0] or [getattr(result, "q", 1.0)]
    q = np.geomspace(min(found) / 10.0, max(found) * 10.0, 400)
    with house_style():
        figure = new_figure(COLUMN, COLUMN * 0.85)
        axis = figure.subplots()
        axis.plot(q, q, color="0.6", linestyle="--", label="V(q) = q")
        axis.plot(
            q, variance_map(result.activation, q, result.sigma_w2, result.sigma_b2), color=colour(0), label="V(q)"
        )
        for index, stability in enumerate(dict.fromkeys(point.stability for point in points)):
            here = [point.q for point in points if point.stability == stability]
            axis.plot(here, here, linestyle="none", marker="os^D"[index % 4], color=colour(index + 1), label=stability)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("variance q")
        axis.set_ylabel("variance of the next layer")
        axis.set_title(str(result.activation))
        axis.legend()
    return figure


def _draw_report(result: Any) -> Figure:
    """Draw the numbers of claims per paper and verdict."""
    columns = result.columns()
    papers = list(dict.fromkeys(columns["paper"]))
    counts = Counter(zip(columns["paper"], columns["verdict"], strict=True))
    with house_style():
        figure = new_figure(COLUMN * 1.3, 1.2 + 0.25 * len(papers))
        axis = figure.subplots()
        left = np.zeros(len(papers))
        for index, verdict in enumerate(dict.fromkeys(columns["verdict"])):
            numbers = np.array([counts[paper, verdict] for paper in papers], dtype=np.float64)
            axis.barh(papers, numbers, left=left, color=colour(index + 1), label=verdict)
            left += numbers
        axis.invert_yaxis()
        axis.set_xlabel("claims")
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _draw_study(result: Any) -> Figure:
    """Draw the last measured quantity of every run over its epochs, one line per run and one colour per setting."""
    runs: dict[tuple[Any, Any], list[Any]] = {}
    for row in result.rows:
        runs.setdefault((row.get("experiment"), row.get("seed")), []).append(row)
    measured = next((name for name in MEASURED if name in result.rows[0]), list(result.rows[0])[-1])
    settings = list(dict.fromkeys(setting for setting, _ in runs))
    with house_style():
        figure = new_figure(COLUMN, COLUMN * 0.75)
        axis = figure.subplots()
        for (setting, _), rows in runs.items():
            x = [row.get("epoch", place) for place, row in enumerate(rows)]
            y = [np.nan if row[measured] is None else row[measured] for row in rows]
            axis.plot(x, y, color=colour(settings.index(setting)), alpha=0.7, marker="." if len(rows) == 1 else "")
        axis.set_xlabel("epoch")
        axis.set_ylabel(measured.replace("_", " "))
        axis.set_title(f"{result.name}: {len(runs)} runs of {len(settings)} settings")
    return figure


PICTURES: dict[str, Callable[[Any], Figure]] = {
    "Advice": Bars(names="remedy", values=("guaranteed", "simulated"), label="P(alive)").draw,
    "AngleLaw": Curves(x="depth", lines=("mean_cosine", "parallel", "both_alive"), y_label="cosine, probability").draw,
    "Audit": _draw_audit,
    "BatchNormStatement": Curves(x="depth", lines=("point_alive_at_most",), y_label="P(point alive), at most").draw,
    "BranchSurvival": Curves(x="branches", lines=("log10_all_dead",), y_label="log10 P(all branches dead)").draw,
    "Certificate": Bars(names="quantity", values=("ratio",), label="after / before").draw,
    "Clones": Bars(names="layer", values=("units", "clones"), label="units").draw,
    "CountWorth": Bars(names="measure", values=("correlation",), label="rank correlation").draw,
    "DataAwareBounds": Bars(names="bound", values=("alive",), label=P_ALIVE).draw,
    "DeadUnitCount": Curves(
        x="depth", lines=("dead_units",), y_label="dead units, expected", errors=(("dead_units", "dead_units_stderr"),)
    ).draw,
    "DeadUnitReport": Bars(names="activation", values=("units", "dead", "dormant", "silent"), label="units").draw,
    "DepthScales": Bars(
        names="", values=("variance_scale", "correlation_scale", "gradient_scale"), label="layers"
    ).draw,
    "EdgeOfChaos": _draw_design,
    "Escape": Curves(x="depth", lines=("probability",), y_label="P(q has left q*)", band=("low", "high")).draw,
    "FeatureRank": Curves(
        x="depth", lines=("entropy_rank", "participation_ratio", "uncentred_rank"), y_label="rank of features"
    ).draw,
    "FirstLayerDeath": Bars(names="", values=("unit_probability", "death", "error"), label="probability").draw,
    "FixedPoints": _draw_design,
    "GrowingVariance": Curves(
        x="q", lines=("v_prime", "curvature", "fluctuation", "gradient_share"), y_label="free of scale", log_x=True
    ).draw,
    "GrowingWidthSchedule": Curves(x="depth", lines=("exact_width", "width"), y_label="width").draw,
    "InferenceSpeed": Curves(
        x="batch", lines=("ratio", "ratio_predicted"), y_label="dense time / sparse time", log_x=True
    ).draw,
    "Initialisation": Bars(names="name", values=("weight_std", "bias_std"), label="standard deviation").draw,
    "LearningRateForLife": Curves(
        x="learning_rate", lines=("dead", "forecast"), y_label="share of dead units", band=("low", "high"), log_x=True
    ).draw,
    "LogSizes": Curves(x="depth", lines=("mean", "normal_mean", "log_mean_size"), y_label="log q").draw,
    "LogWidthSchedule": Curves(x="depth", lines=("exact_width", "width"), y_label="width").draw,
    "LooksLinear": Curves(x="depth", lines=("width",), y_label="width").draw,
    "ManyNetworks": Histograms(values=("first_loss", "loss"), label="loss").draw,
    "Merge": Bars(names="source", values=("added", "skipped"), label="shards").draw,
    "MethodReport": Bars(names="layer", values=("units", "weights"), label="affected, per action and layer").draw,
    "ModelForecast": Bars(names="remedy", values=("root_rank", "score"), label="rank, score").draw,
    "NeededUnits": Curves(x="", lines=("needed", "correlation"), y_label="share of needed units, correlation").draw,
    "OneDimensionalSurvival": Curves(x="depth", lines=("exact", "lower", "upper"), y_label=P_ALIVE).draw,
    "OnnxExport": Bars(names="", values=("n_weights", "n_zeros"), label="weights").draw,
    "Overlap": Bars(names="", values=("n_before", "n_after", "n_both", "by_chance"), label="units").draw,
    "PaddedResidual": Curves(x="", lines=("q", "share"), y_label="variance q, share of the kernel").draw,
    "PhaseDiagram": WordMap(x="sigma_w", y="sigma_b", words="phase").draw,
    "Removal": Bars(names="layer", values=("units_before", "units_after"), label="units").draw,
    "Report": _draw_report,
    "Reset": Bars(names="layer", values=("reset",), label="units reset").draw,
    "ResidualChain": Curves(x="branches", lines=("log_q_sd", "log_gradient_sd"), y_label="standard deviation").draw,
    "ResidualFluctuations": Curves(
        x="branches", lines=("signal", "gradient", "covariance"), y_label="width times variance of logs"
    ).draw,
    "ResidualPaths": Curves(x="branches", lines=("q", "sparsity", "correlation"), y_label="q, share, correlation").draw,
    "ResidualRewiring": Bars(names="name", values=("sigma_w2", "sigma_b2"), label="variance").draw,
    "RunMerge": Bars(names="source", values=("added", "skipped"), label="rows").draw,
    "SafeRegion": WordMap(x="depth", y="width", words="verdict", log_x=True).draw,
    "SafeWidth": Bars(names="", values=(), label="value").draw,
    "SignFlip": Curves(
        x="", lines=("living_points", "living_before", "guaranteed_points"), y_label="points alive"
    ).draw,
    "SignFlipGuarantee": Curves(x="depth", lines=("living_ratio",), y_label="living ratio, at least").draw,
    "Simulation": _draw_simulations,
    "SimulationResults": _draw_simulations,
    "SparseAutoencoderDeath": Bars(names="remedy", values=("dead",), label="share of features that never fire").draw,
    "SparseNetwork": Bars(names="layer", values=("zero_inputs", "zero_weights"), label="share of zeros").draw,
    "SparseSurvival": Curves(
        x="depth",
        lines=("survival", "gradient_survival", "at_fixed_variance"),
        y_label="P(alive)",
        errors=(("survival", "error"), ("gradient_survival", "gradient_error")),
    ).draw,
    "StudyTable": _draw_study,
    "SurvivalBounds": Curves(x="depth", lines=("lower", "upper"), y_label=P_ALIVE).draw,
    "TailoredSlope": Curves(x="layers", lines=("correlation",), y_label="correlation").draw,
    "Trainability": Bars(names="remedy", values=("score",), label="score").draw,
    "TrainingRun": Curves(x="epoch", lines=("test_accuracy", "activation_sparsity"), y_label="share").draw,
    "TwoPointSurvival": Curves(x="depth", lines=("alive", "both", "one", "none"), y_label="probability").draw,
    "VarianceChain": Curves(
        x="depth", lines=("median", "quantile_05", "quantile_95"), y_label="variance q", log_y=True
    ).draw,
}
