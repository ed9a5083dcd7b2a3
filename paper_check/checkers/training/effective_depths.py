"""Checker of the forecast at birth along the effective depth of critical residual streams.

The study `sparse_and_deep_depths` trained one network of a sparse design at several effective depths. For each of them
networks of the same law are drawn, and their forecast (`trainability`, on random points) is set beside what was
learned: they agree where the verdict is "learns" exactly if the test accuracy reached a number. Networks drawn by the
law read random points as they are; those that were trained read images through a first layer, and normalise layers.
"""

from functools import cache

from neurondeath.paper_check.comparisons import all_of, compare
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


def forecast_knows(*, setting: Setting, learned: float, verdict: str = "learns") -> Evidence:
    """Check that networks of a law are forecast to learn where the trained one did, and nowhere else.

    Parameters
    ----------
    setting : Setting
        Where the table is, the seed, and whether to draw more networks.
    learned : float
        Test accuracy from which on a network has learned, in (0, 1).
    verdict : str
        Of the forecast, for networks that learn.
    """
    check_real("learned", learned, low=0.0, high=1.0, low_open=True, high_open=True)
    table = read_study(STUDY, setting.studies)
    model, optimiser = table.provenance["configuration"]["model"], table.provenance["configuration"]["optimiser"]
    law = (model["activation"], model["sparsity"], model["v_prime"], model["width"], model["depth"])
    networks = FULL_NETWORKS if setting.full else NETWORKS
    rows = sorted(table.last_epochs(), key=lambda row: row["model.effective_depth"])
    depths = [row["model.effective_depth"] for row in rows]
    found = [_forecast(law, depth, networks, optimiser["learning_rate"], setting.seed) for depth in depths]
    agrees = [
        float((one.verdict == verdict) == (row["test_accuracy"] >= learned))
        for one, row in zip(found, rows, strict=True)
    ]
    words = [
        f"{depth:g}: {one.verdict}, {row['test_accuracy']:.3f}"
        for depth, one, row in zip(depths, found, rows, strict=True)
    ]
    return Evidence(
        route="training",
        verdict=all_of([compare(agrees, agrees, agrees, ">=", 1.0).verdict]),
        summary=f"forecast at birth and test accuracy by effective depth: {'; '.join(words)}; {verdict} forecast where "
        f"at least {learned:g} was reached, in {int(sum(agrees))} of {len(rows)} (study {table.name}, "
        f"{table.provenance.get('date', 'no date')})",
        points=len(rows),
        numbers={
            "effective_depth": depths,
            "verdict": [one.verdict for one in found],
            "score": [one.score for one in found],
            "test_accuracy": [row["test_accuracy"] for row in rows],
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
