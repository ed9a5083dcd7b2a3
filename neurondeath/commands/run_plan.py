"""How the plan of a run is shown on stdout."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.goals import Goal
from neurondeath.simulations.sweeps.parts import Part
from neurondeath.simulations.sweeps.plans import PlannedTask, plan_tasks
from neurondeath.simulations.task import Task

__all__ = ["show_plan"]

LAYOUT = Layout(
    keys=("task_id",),
    priority=("to_do", "network", "inputs", "goal", "stored", "seconds"),
)


def show_plan(
    tasks: Sequence[Task],
    store: str,
    output: Format,
    columns: str | None,
    *,
    seed: int,
    goal: Goal,
    part: Part,
    workers: int,
) -> None:
    """Write what a run would do; the store is only read, and not made."""
    if Path(store).exists():
        with Store(store, readonly=True) as opened:
            plan = plan_tasks(tasks, opened, seed=seed, goal=goal, part=part)
    else:
        plan = plan_tasks(tasks, None, seed=seed, goal=goal, part=part)
    rows = [_row(planned, workers) for planned in plan]
    counted = [planned for planned in plan if planned.to_do is not None]
    trials = sum(planned.to_do or 0 for planned in counted)
    notes = [f"{len(plan)} tasks, {trials} trials to sample; nothing was sampled or written"]
    if len(counted) < len(plan):
        why = "a pilot fixes them" if goal.relative_error is not None else "the clock ends the run"
        notes.append(f"{len(plan) - len(counted)} tasks have no number of trials yet: {why}")
    if any(planned.seconds is None for planned in counted):
        notes.append("seconds: known only for tasks of which something is stored")
    show(
        {name: [row[name] for row in rows] for name in rows[0]},
        output,
        chosen=columns,
        title=f"dry run, seed {seed}, store {store}",
        notes=notes,
        layout=LAYOUT,
        json=lambda: {"tasks": rows, "store": store, "seed": seed, "part": f"{part.index}/{part.count}"},
    )


def _row(planned: PlannedTask, workers: int) -> dict[str, Any]:
    task = planned.task
    return {
        "task_id": task.task_id,
        "network": str(task.network),
        "inputs": task.inputs.spec,
        "estimator": task.estimator,
        "engine": task.engine,
        "stored": planned.stored,
        "goal": planned.goal,
        "to_do": planned.to_do,
        "seconds": None if planned.seconds is None else planned.seconds / workers,
    }
