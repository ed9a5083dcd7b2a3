"""Seeds of runs and of their pilots, which are always different."""

from neurondeath_theory.foundation.validation import check_count

__all__ = ["PILOT_SEEDS", "pilot_seed"]

PILOT_SEEDS = 2**31  # seeds from here on belong to pilots; seeds of runs are smaller


def pilot_seed(seed: int) -> int:
    """Return the seed of the pilot of a run: a random stream that no run can have.

    Examples
    --------
    >>> pilot_seed(0)
    2147483648
    """
    return check_count("seed", seed, least=0) + PILOT_SEEDS
