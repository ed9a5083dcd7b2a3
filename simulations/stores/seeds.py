"""Seeds of users and of pilots, which never meet."""

from neurondeath_theory.foundation.validation import check_count

__all__ = ["PILOT_SEEDS", "pilot_seed"]

PILOT_SEEDS = 2**31  # seeds from here on are pilots': users' seeds end below


def pilot_seed(seed: int) -> int:
    """Give the seed of the pilot that belongs to a seed: another random stream, which no user's seed reaches.

    Examples
    --------
    >>> pilot_seed(0)
    2147483648
    """
    return check_count("seed", seed, least=0) + PILOT_SEEDS
