"""The checker of what a measure says of the next task, on tables with a known truth."""

import numpy as np
import pytest

from neurondeath.paper_check.checkers.training.next_task import worth
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.studies.tables import write_study

RUNS, TASKS = 12, 30


def rows(effect):
    """Yield ends of tasks: the share of dead units takes from the next accuracy, by an effect; both follow the time."""
    rng = np.random.default_rng(0)
    for run in range(RUNS):
        dead = 0.02 * np.arange(TASKS) + 0.02 * rng.standard_normal(TASKS)
        for task in range(TASKS):
            before = dead[task - 1] - 0.02 * (task - 1) if task else 0.0
            yield {
                "experiment": "a",
                "seed": run,
                "epoch": task + 1,
                "task": task,
                "dead_share": dead[task],
                "task_online_accuracy": 0.9 - 0.01 * task - effect * before + 0.01 * rng.standard_normal(),
            }


@pytest.fixture
def setting(tmp_path):
    def make(effect):
        write_study("dead_count_worth", rows(effect), {"date": "today"}, tmp_path)
        return Setting(studies=tmp_path)

    return make


def found(setting, sense, relation="<", right=0.0):
    study = "dead_count_worth"
    return worth(setting=setting, study=study, measure="dead_share", sense=sense, relation=relation, right=right)


def test_time_alone_makes_a_correlation_that_is_gone_at_a_given_task(setting):
    idle = setting(0.0)
    assert found(idle, "within").verdict is Verdict.CONFIRMED
    assert found(idle, "within", ">").verdict is Verdict.REFUTED
    assert found(idle, "beyond_time").verdict is Verdict.INCONCLUSIVE


def test_an_effect_is_seen_at_a_given_task(setting):
    evidence = found(setting(1.0), "beyond_time")
    assert evidence.verdict is Verdict.CONFIRMED
    assert evidence.points == RUNS
    (low,), (value,), (high,) = (evidence.numbers[name] for name in ("low", "correlation", "high"))
    assert -1.0 <= low <= value <= high < 0.0
    assert "at a given task number" in evidence.summary
    assert found(setting(1.0), "beyond_time", "<", -0.999).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("sense", "relation", "right"), [("ever", "<", 0.0), ("within", "==", 0.0), ("within", "<", 2)]
)
def test_wrong_parameters(setting, sense, relation, right):
    with pytest.raises(InvalidArgumentError):
        found(setting(0.0), sense, relation, right)
