"""BOUNDED: an effect that is shown to be smaller than a size that the claim has stated beforehand.

A claim such as "the remedy raises the accuracy" may be true by an amount that nobody would notice, or be left open by
an interval that excludes every amount that anybody would. Where a claim, or one of its checks, states a `bound` b, the
checker reports the limits of the effects that the claim is about (`Evidence.effects`), in the units of the
measurement, and its evidence is BOUNDED when every interval lies within [-b, b]. It was then CONFIRMED or INCONCLUSIVE;
evidence that refutes the claim still does, so that a wrong version of a claim is still found. Without a bound no
verdict changes.
"""

from dataclasses import replace

from neurondeath.paper_check.evidence import Evidence, Verdict

__all__ = ["bounded_evidence"]


def bounded_evidence(found: Evidence, bound: float) -> Evidence:
    """Return evidence with the verdict BOUNDED if all of its effects are shown to lie within a bound.

    Parameters
    ----------
    found : Evidence
        What a checker has found.
    bound : float
        The bound, above 0, in the units of the effects.

    Returns
    -------
    Evidence
        An ERROR if the checker reports no effects; the summary says what the bound decides.

    Examples
    --------
    >>> found = Evidence(
    ...     route="training", verdict=Verdict.INCONCLUSIVE, summary="a - b > 0", points=1, effects=((-0.002, 0.003),)
    ... )
    >>> bounded_evidence(found, 0.01).verdict.value, bounded_evidence(found, 0.001).verdict.value
    ('BOUNDED', 'INCONCLUSIVE')
    """
    if found.verdict is Verdict.ERROR:
        return found
    if not found.effects:
        message = (
            f"a bound of {bound:g} is stated, but the checker reports no effect; state it in checks that measure one"
        )
        return replace(found, verdict=Verdict.ERROR, summary=f"{message}: {found.summary}")
    low, high = min(low for low, _ in found.effects), max(high for _, high in found.effects)
    within = all(-bound <= least and most <= bound for least, most in found.effects)
    effects = "the effect lies" if len(found.effects) == 1 else f"the {len(found.effects)} effects lie"
    if not within or found.verdict is Verdict.REFUTED:
        return replace(found, summary=f"{found.summary}; {effects} within [{low:.4g}, {high:.4g}], bound {bound:g}")
    end = f"{effects} within [{low:.4g}, {high:.4g}], smaller than the bound {bound:g}"
    return replace(found, verdict=Verdict.BOUNDED, summary=f"{found.summary}; {end}")
