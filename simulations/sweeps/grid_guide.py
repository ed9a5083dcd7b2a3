"""Every key of a grid file: a template of the file, and a table of keys."""

from dataclasses import replace

from neurondeath.simulations.sweeps.grid_files import STUDY_KEYS
from neurondeath.simulations.sweeps.grid_options import OPTIONS
from neurondeath_theory.foundation.configuration import REQUIRED, key_columns, toml_template

__all__ = ["grid_keys", "grid_template"]

SIZES = ("width", "depth", "widths")


def grid_template() -> str:
    """Return a grid file that shows every key and can be run.

    Examples
    --------
    >>> grid_template().splitlines()[5]
    '[defaults]'
    """
    head = (
        "A grid of tasks: `neurondeath simulate --grid FILE`. Keys in comments are optional. Keys take one value or a "
        'list of values, numbers also texts with ranges as "2:16:2" or "0:0.5:0.1"; every combination is a task.'
    )
    options = {option: key for option, key in OPTIONS.items() if option not in SIZES}
    sizes = {option: OPTIONS[option] for option in SIZES}
    sizes |= {option: replace(sizes[option], default=REQUIRED) for option in ("width", "depth")}
    study = {"name": STUDY_KEYS["name"], **sizes, "zip": STUDY_KEYS["zip"]}
    return toml_template(
        [
            ("", head, {}),
            ("[defaults]", "Values for all studies; a study may replace each of them.", options),
            ("[[study]]", "A study; a file may have several. A study takes all keys of [defaults] too.", study),
        ]
    )


def grid_keys() -> dict[str, list[str]]:
    """Return every key with its values, default and meaning, as columns.

    Examples
    --------
    >>> grid_keys()["key"][:3]
    ['width', 'depth', 'widths']
    """
    return key_columns(OPTIONS | STUDY_KEYS)
