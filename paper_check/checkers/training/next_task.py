"""Checker of what a measure at the end of a task says about the accuracy in the next one.

Rank correlations over the tasks of a run, averaged over the runs of a study; their limits are percentiles of a
bootstrap that draws whole runs (see `count_worth`), at 95 %.
"""

import math

from neurondeath.paper_check.comparisons import compare
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath_theory.foundation.validation import check_choice, check_real
from neurondeath_torch.studies.count_worth import SENSES, count_worth
from neurondeath_torch.studies.tables import read_study

__all__ = ["worth"]

WORDS = {
    "within": "over the tasks of a run",
    "beyond_time": "over the tasks of a run, at a given task number",
    "between": "over the runs",
}


def worth(*, setting: Setting, study: str, measure: str, sense: str, relation: str, right: float) -> Evidence:
    """Compare a rank correlation with a number.

    Parameters
    ----------
    setting : Setting
        Where the tables are, and the seed of the bootstrap.
    study : str
        The table: rows at the ends of tasks.
    measure : str
        What a network has at the end of a task.
    sense : {"within", "beyond_time", "between"}
        Over what the correlation is taken.
    relation : {">", "<"}
        How it is related to the number.
    right : float
        The number, in [-1, 1].
    """
    check_choice("sense", sense, SENSES)
    check_choice("relation", relation, (">", "<"))
    check_real("right", right, low=-1.0, high=1.0)
    table = read_study(study, setting.studies)
    found = count_worth(table, measures=[measure], seed=setting.seed)
    estimate, low, high = found.of(measure, sense)
    runs = found.runs[SENSES.index(sense)]
    limits = [-1.0, 1.0] if math.isnan(low) else [low, high]
    verdict = compare([estimate], [limits[0]], [limits[1]], relation, right).verdict
    return Evidence(
        route="training",
        verdict=verdict,
        summary=f"rank correlation of {measure} at the end of a task with the accuracy in the next, {WORDS[sense]}: "
        f"{estimate:.3g}, 95 % limits {low:.3g} and {high:.3g} over {runs} runs, {relation} {right:g} claimed "
        f"(study {table.name}, {table.provenance.get('date', 'no date')})",
        points=runs,
        numbers={"correlation": [estimate], "low": [low], "high": [high], "runs": [runs]},
    )
