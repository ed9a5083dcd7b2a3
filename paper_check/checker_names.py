"""Checkers' names in claim files: those of earlier versions still name the same functions."""

__all__ = ["current_name"]

OLD_PREFIX, PREFIX = "paper_check.checkers.", "neurondeath.paper_check.checkers."
# room: the modules that moved into it from the folder above
MOVED = {
    "survival": (
        "absorbing_walk",
        "always_off",
        "architectures",
        "asymmetric_initialisation",
        "batch_norm",
        "born_dead",
        "depth_limits",
        "gap",
        "sign_flips",
        "sign_patterns",
        "tightness",
        "width_two",
    ),
    "gaussian_limit": (
        "clipping",
        "convolution",
        "correlation",
        "designs_by_quadrature",
        "escapes",
        "fixed_points",
        "gaussian_calculus",
        "gaussian_quadrature",
        "sparse_survival",
    ),
    "training": ("dead_units",),
}
RENAMED = {
    "gaussian_limit": "gaussian_limit.closed_forms",
    "survival": "survival.bounds",
    "training": "training.study_tables",
}
PLACES = {name: f"{room}.{name}" for room, names in MOVED.items() for name in names} | RENAMED
PLACES["identities"] = "identities"


def current_name(checker: str) -> str:
    """Return the present name of a checker "module:function"; one that is not ours stays as it is.

    Examples
    --------
    >>> current_name("paper_check.checkers.survival:on_the_orthant"), current_name("mine.checkers:check")
    ('neurondeath.paper_check.checkers.survival.bounds:on_the_orthant', 'mine.checkers:check')
    """
    module, _, function = checker.partition(":")
    place = PLACES.get(module.removeprefix(OLD_PREFIX)) if module.startswith(OLD_PREFIX) else None
    return checker if place is None else f"{PREFIX}{place}:{function}"
