"""Names of checkers in claim files; the names of earlier versions still refer to the same functions."""

__all__ = ["current_name"]

OLD_PREFIX, PREFIX = "paper_check.checkers.", "neurondeath.paper_check.checkers."
# folder: modules that moved into it from its parent folder
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
PLACES = {name: f"{folder}.{name}" for folder, names in MOVED.items() for name in names} | RENAMED
PLACES["identities"] = "identities"


def current_name(checker: str) -> str:
    """Return the current name of a checker "module:function"; names outside the project are unchanged.

    Examples
    --------
    >>> current_name("paper_check.checkers.survival:on_the_orthant"), current_name("mine.checkers:check")
    ('neurondeath.paper_check.checkers.survival.bounds:on_the_orthant', 'mine.checkers:check')
    """
    module, _, function = checker.partition(":")
    place = PLACES.get(module.removeprefix(OLD_PREFIX)) if module.startswith(OLD_PREFIX) else None
    return checker if place is None else f"{PREFIX}{place}:{function}"
