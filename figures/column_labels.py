"""Labels of the columns of a results store on axes and in legends."""

__all__ = ["SHORT", "label_of"]

LABELS = {
    "alive": "P(alive)",
    "death": "P(dead)",
    "depth": "depth (hidden layers)",
    "n_layers": "depth (hidden layers)",
    "log10_alive": "log10 P(alive)",
    "log10_death": "log10 P(dead)",
}
SHORT = {"n_layers": "depth"}


def label_of(column: str) -> str:
    """Return the label of an axis.

    Examples
    --------
    >>> label_of("living_ratio"), label_of("alive")
    ('living ratio', 'P(alive)')
    """
    return LABELS.get(column, column.replace("_", " "))
