"""Checker of the zeros of trained sparse networks: layer by layer, as measured on all test images.

A study with sparse designs keeps in its last epochs the share of zeros of every activation on the test images
(`test_zeros`). Nothing is estimated: what is compared is the share on these images, in every network that is meant.
"""

import numpy as np

from neurondeath.paper_check.checkers.training.study_tables import Row, selected_rows
from neurondeath.paper_check.comparisons import all_of, compare
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath_theory.foundation.validation import check_real
from neurondeath_torch.studies.tables import read_study

__all__ = ["layers_near"]

COLUMN = "test_zeros"


def layers_near(
    *, setting: Setting, study: str, where: Row, number: float, tolerance: float, layers: float = 1.0
) -> Evidence:
    """Check whether at least a share of the layers of every network has zeros within a tolerance of a number.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    study : str
        The table.
    where : mapping
        Which runs, by column and value.
    number : float
        Share of zeros.
    tolerance : float
        Largest distance of a layer's share from it.
    layers : float
        Share of the layers that must be within it.
    """
    check_real("tolerance", tolerance, low=0.0, low_open=True)
    check_real("layers", layers, low=0.0, high=1.0)
    table = read_study(study, setting.studies)
    rows = selected_rows(table, where)
    zeros = [np.array([float(share) for share in str(row[COLUMN]).split()]) for row in rows]
    near = np.array([np.mean(np.abs(each - number) <= tolerance) for each in zeros])
    far = max((float(np.abs(each - number).max()) for each in zeros), default=0.0)
    found = compare(near, near, near, ">=", layers)
    networks = f"{len(rows)} network{'s' * (len(rows) > 1)}"
    return Evidence(
        route="training",
        verdict=all_of([found.verdict]),
        summary=f"zeros of {sum(len(each) for each in zeros)} layers of {networks} on the test images: at least "
        f"{100 * near.min():.3g} % of a network's layers within {tolerance:g} of {number:g}, the farthest {far:.3f} "
        f"away (study {table.name}, {table.provenance.get('date', 'no date')})",
        points=sum(len(each) for each in zeros),
        numbers={"seed": [row["seed"] for row in rows], "near": near.tolist()},
    )
