"""`neurondeath lint --inputs`: networks of a law are drawn and judged on points."""

from collections.abc import Mapping, Sequence

from neurondeath.commands.lint_verdict import LintVerdict, percent
from neurondeath.simulations.inputs.input_sets import read_points
from neurondeath.simulations.learning_forecast import trainability
from neurondeath_theory.foundation.width_text import short_widths
from neurondeath_theory.networks.network import Network

__all__ = ["drawn_verdict", "lint_networks"]

DEAD_LINE = "dead: fewer than a tenth of the points reach the last hidden layer"
COLLAPSED_LINE = "collapsed: the features of the last hidden layer do not tell the points apart"


def lint_networks(
    widths: Sequence[int], inputs: str, input_dim: int | None, count: int, seed: int, allowed: tuple[float, float]
) -> LintVerdict:
    """Draw ReLU networks of these widths with He weights, and judge them on points.

    Parameters
    ----------
    widths : sequence of int
        Widths of the hidden layers.
    inputs : str
        The points, as `--inputs` names them.
    input_dim : int or None
        Their dimension; by default that of the set, or the first width.
    count, seed : int
        Networks to draw, and the seed.
    allowed : tuple of float
        Largest allowed shares of dead and of collapsed networks.
    """
    points = read_points("--inputs", inputs, input_dim or widths[0])
    network = Network(list(widths), input_dim=points.shape[1])
    found = trainability(network, points, networks=count, remedies=False, seed=seed)
    reasons = [f"the median network: {found}"]
    if found.alive_at_least is not None:
        reasons.append(f"P(no point is alive) is at most {percent(1.0 - found.alive_at_least)}")
    return drawn_verdict(f"{short_widths(widths)} on {inputs}", found.shares, count, allowed, reasons)


def drawn_verdict(
    network: str, shares: Mapping[str, float], count: int, allowed: tuple[float, float], reasons: Sequence[str]
) -> LintVerdict:
    """Judge networks by the shares of them with each verdict.

    Parameters
    ----------
    network : str
        What was drawn.
    shares : mapping of str to float
        Share of the networks with each verdict; all networks count, whatever other verdicts there are.
    count : int
        Networks drawn.
    allowed : tuple of float
        Largest allowed shares of dead and of collapsed networks.
    reasons : sequence of str
        Further lines.
    """
    dead, collapsed = shares.get("dead", 0.0), shares.get("collapsed", 0.0)
    drawn = f"{round(dead * count)} of {count} networks born dead, {round(collapsed * count)} collapsed"
    limits = f"{percent(allowed[0])} and {percent(allowed[1])} allowed"
    return LintVerdict(
        network=network,
        dead_low=dead,
        dead_high=dead,
        max_dead=allowed[0],
        collapsed=collapsed,
        max_collapsed=allowed[1],
        networks=count,
        summary=f"{network}: {drawn}; {limits}",
        reasons=(*reasons, DEAD_LINE, COLLAPSED_LINE),
    )
