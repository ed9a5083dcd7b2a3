"""Checker of the forecast at birth along the effective depth of critical residual streams.

The study `sparse_and_deep_depths` trained one network of a sparse design at several effective depths. For each of them
networks of the same law are drawn, and the score of their forecast (`trainability`, on random points) is set beside
what was learned: the least score where the test accuracy reached a number is compared with the largest where it stayed
below another one. In between nothing is claimed; the verdict lies at its threshold there, and changes with the draw.
Networks drawn by the law read random points as they are; those that were trained read images through a first layer, and
normalise layers.
"""

from functools import cache

from neurondeath.paper_check.comparisons import compare
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.simulations.learning_forecast import Trainability, trainability
from neurondeath_theory.foundation.validation import check_real
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.networks.network import Network
from neurondeath_torch.studies.tables import read_study

__all__ = ["forecast_knows"]

STUDY = "sparse_and_deep_depths"
NETWORKS, FULL_NETWORKS = 2, 8
POINTS = 64


def forecast_knows(*, setting: Setting, learned: float, failed: float, factor: float) -> Evidence:
    """Check that the forecast scores networks higher, by a factor, where the trained one learned than where it failed.

    Parameters
    ----------
    setting : Setting
        Where the table is, the seed, and whether to draw more networks.
    learned, failed : float
        Test accuracy from which on a network has learned, and below which it has failed, in (0, 1).
    factor : float
        Least ratio of the scores.
    """
    for name, value in (("learned", learned), ("failed", failed)):
        check_real(name, value, low=0.0, high=1.0, low_open=True, high_open=True)
    check_real("factor", factor, low=0.0, low_open=True)
    table = read_study(STUDY, setting.studies)
    model, optimiser = table.provenance["configuration"]["model"], table.provenance["configuration"]["optimiser"]
    law = (model["activation"], model["sparsity"], model["v_prime"], model["width"], model["depth"])
    networks = FULL_NETWORKS if setting.full else NETWORKS
    rows = sorted(table.last_epochs(), key=lambda row: row["model.effective_depth"])
    depths = [row["model.effective_depth"] for row in rows]
    accuracies = [row["test_accuracy"] for row in rows]
    found = [_forecast(law, depth, networks, optimiser["learning_rate"], setting.seed) for depth in depths]
    scores = [one.score for one in found]
    least = min(score for score, accuracy in zip(scores, accuracies, strict=True) if accuracy >= learned)
    most = max(score for score, accuracy in zip(scores, accuracies, strict=True) if accuracy < failed)
    words = [
        f"{depth:g}: {one.score:.3g} ({one.verdict}), {accuracy:.3f}"
        for depth, one, accuracy in zip(depths, found, accuracies, strict=True)
    ]
    return Evidence(
        route="training",
        verdict=compare([least], [least], [least], ">=", [factor * most]).verdict,
        summary=f"score at birth and test accuracy by effective depth: {'; '.join(words)}; at least {least:.3g} where "
        f"{learned:g} was reached, at most {most:.3g} below {failed:g}, {factor:g} times as much claimed (study "
        f"{table.name}, {table.provenance.get('date', 'no date')})",
        points=len(rows),
        numbers={
            "effective_depth": depths,
            "verdict": [one.verdict for one in found],
            "score": scores,
            "test_accuracy": accuracies,
        },
    )


@cache  # mutations ask for the same
def _forecast(
    law: tuple[str, float, float, int, int], effective_depth: float, networks: int, learning_rate: float, seed: int
) -> Trainability:
    """Return the forecast of critical residual streams of a sparse design."""
    kind, sparsity, v_prime, width, depth = law
    design = sparse_design(kind, sparsity, v_prime=v_prime)
    network = Network(
        width=width,
        depth=depth,
        input_dim=width,
        architecture="residual",
        effective_depth=effective_depth,
        input_mean_square=design.q,
        activation=design.activation,
        init="gaussian",
        weight_variance=design.sigma_w2,
        bias_variance=design.sigma_b2,
    )
    points = f"gaussian:{POINTS}"
    return trainability(network, points, networks=networks, learning_rate=learning_rate, remedies=False, seed=seed)
