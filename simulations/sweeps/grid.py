"""Grids of tasks: every combination of lists of options, some of which may vary together.

A study is a product of factors. A factor is a list of settings, each of which sets one or several options: widths 4
and 8 are one factor of two settings; pairs of a width and a depth are one factor too. Some options apply only to some
values of another option (tau, m and slope: of the activation; weight_variance, degrees_of_freedom and zero_share: of
the init; block_depth, effective_depth and input_mean_square: of the architecture). Combinations to which such an option
does not apply omit it if it applies to others of the study.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from neurondeath.simulations.engines import choose_engine
from neurondeath.simulations.inputs.input_sets import InputSet, input_set, own_dimension
from neurondeath.simulations.sweeps.grid_options import OPTIONS, TAILORED
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.foundation.validation import check_choice, invalid
from neurondeath_theory.foundation.widths import MOST_LAYERS, short_widths
from neurondeath_theory.networks.activations import FAMILIES, named_activation, options_of
from neurondeath_theory.networks.inits import FREE_VARIANCE, PARAMETERS
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.tailored_slope import tailored_slope

__all__ = ["Study", "TaskGrid", "make_grid"]

MOST_TASKS = 100_000
NETWORK_OPTIONS = (
    *("architecture", "init", "weight_variance", "degrees_of_freedom", "zero_share", "bias_variance", "bias_law"),
    *("sign_flip", "block_depth", "effective_depth", "input_mean_square"),
)
# option that applies only to some values of another option: (that other option, the values to which it applies)
APPLIES_TO = {
    option: ("activation", tuple(name for name in FAMILIES if option in options_of(name)))
    for option in ("tau", "m", "slope")
} | {
    "weight_variance": ("init", FREE_VARIANCE),
    "block_depth": ("architecture", ("skip",)),
    **{option: ("init", (init,)) for option, (init, _, _) in PARAMETERS.items()},
    "effective_depth": ("architecture", ("residual",)),
    "input_mean_square": ("architecture", ("residual",)),
}

Setting = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A product of factors.

    Parameters
    ----------
    factors : sequence of sequences of settings
        What is varied; the first factor varies slowest.
    spell : callable
        Returns the name of an option in error messages.
    place : str
        Where the study is defined, for errors of combinations; "" for a command line.
    """

    factors: Sequence[Sequence[Setting]]
    spell: Callable[[str], str]
    place: str = ""

    def __len__(self) -> int:
        """Return the number of combinations."""
        return prod(len(factor) for factor in self.factors)

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Generate every combination of options."""
        values: dict[str, set[Any]] = {}
        for factor in self.factors:
            for setting in factor:
                for option in setting.keys() & {owner for owner, _ in APPLIES_TO.values()}:
                    values.setdefault(option, set()).add(setting[option])
        for settings in product(*self.factors):
            combined = {option: value for setting in settings for option, value in setting.items()}
            for option, (owner, accepted) in APPLIES_TO.items():
                applies = _value(combined, owner) in accepted
                if option in combined and not applies and not values.get(owner, set()).isdisjoint(accepted):
                    del combined[option]
            yield combined


@dataclass(frozen=True, kw_only=True)
class TaskGrid:
    """The tasks of studies, without duplicates.

    Attributes
    ----------
    tasks : tuple of Task
        In the order of the studies.
    choices : tuple of str
        The engine chosen for every task with engine "auto", and why.
    """

    tasks: tuple[Task, ...]
    choices: tuple[str, ...]


def make_grid(studies: Sequence[Study]) -> TaskGrid:
    """Make the tasks of all studies; a task that occurs twice is listed once.

    Raises
    ------
    InvalidArgumentError
        If a combination is not valid, an input set cannot be made, or there are more than 100,000 combinations.

    Examples
    --------
    >>> study = Study(factors=[[{"width": 4}, {"width": 8}], [{"depth": 10}]], spell=str)
    >>> [str(task.network) for task in make_grid([study]).tasks]
    ['plain relu network 4 -> 4x10, he init', 'plain relu network 8 -> 8x10, he init']
    """
    count = sum(len(study) for study in studies)
    if count > MOST_TASKS:
        raise invalid("the grid", f"have at most {MOST_TASKS} tasks", count)
    tasks: dict[str, Task] = {}
    choices: dict[str, None] = {}
    sets: dict[tuple[Any, ...], InputSet] = {}
    layers = 0
    for study in studies:
        for combination in study.combinations():
            try:
                widths = _widths(combination, study.spell)
                layers += len(widths)
                if layers > MOST_LAYERS:
                    raise invalid(study.spell("depth"), f"ask for at most {MOST_LAYERS} layers in all", layers)
                task, choice = _make_task(combination, widths, sets, study.spell)
            except NeuronDeathError as error:
                if not study.place or study.place in str(error):
                    raise
                raise type(error)(f"{study.place}: {error}") from None
            tasks[task.task_id] = task
            choices |= dict.fromkeys(choice)
    return TaskGrid(tasks=tuple(tasks.values()), choices=tuple(choices))


def _widths(combination: Setting, spell: Callable[[str], str]) -> Sequence[int]:
    if "widths" in combination:
        if "width" in combination or "depth" in combination:
            listed = short_widths(combination["widths"])
            raise invalid(spell("widths"), f"stand alone, without {spell('width')} and {spell('depth')}", listed)
        return tuple(combination["widths"])
    for option in ("width", "depth"):
        if option not in combination:
            remedy = f"give {spell('width')} and {spell('depth')}, or {spell('widths')} as 8,8,16"
            raise invalid(spell(option), "be given", None, remedy)
    if combination["depth"] > MOST_LAYERS:
        raise invalid(spell("depth"), f"ask for at most {MOST_LAYERS} layers in all", combination["depth"])
    return [combination["width"]] * combination["depth"]


def _make_task(
    combination: Setting, widths: Sequence[int], sets: dict[tuple[Any, ...], InputSet], spell: Callable[[str], str]
) -> tuple[Task, list[str]]:
    """Make a task, and report which engine was chosen for it."""
    points = _input_set(combination, widths[0], sets, spell)
    given = {option: combination[option] for option in NETWORK_OPTIONS if option in combination}
    parameters = {option: combination.get(option) for option in ("tau", "m", "slope")}
    family = check_choice(spell("activation"), _value(combination, "activation"), (*FAMILIES, TAILORED))
    if family == TAILORED:
        phi, weights = _tailored(len(widths), parameters, given, spell)
        given |= weights
    else:
        phi = named_activation(family, **parameters, spell=spell)
    network = Network(widths, input_dim=points.dimension, activation=phi, **given)
    estimator, engine, outputs = (_value(combination, option) for option in ("estimator", "engine", "outputs"))
    choice = []
    if engine == "auto":
        engine = "dense"
        if estimator == "crude":
            engine, reason = choose_engine(network, points, outputs)
            choice.append(f"engine {engine} for widths {short_widths(widths)} on {points.spec}: {reason}")
    settings = {option: combination[option] for option in ("dtype", "stream") if option in combination}
    return Task(network, points, estimator=estimator, engine=engine, outputs=outputs, **settings), choice


def _tailored(
    depth: int, parameters: Setting, given: Setting, spell: Callable[[str], str]
) -> tuple[PiecewiseLinear, dict[str, Any]]:
    """Return the leaky ReLU for a depth, and init and variance of the weights that keep sizes with it."""
    for option, value in parameters.items():
        if value is not None:
            raise invalid(spell(option), f"be left out for {TAILORED}", value)
    try:
        tailored = tailored_slope(depth)
    except InvalidArgumentError:
        rule = f"be {TAILORED} in deeper networks only: {depth} layers of ReLU leave correlations below its target"
        raise invalid(spell("activation"), rule, TAILORED, "use relu") from None
    weights: dict[str, Any] = {}
    init = given.get("init", OPTIONS["init"].default)
    if "weight_variance" not in given and init in ("he", "uniform", "orthogonal"):
        weights = {"init": "gaussian" if init == "he" else init, "weight_variance": tailored.sigma_w2}
    return tailored.activation, weights


def _input_set(
    combination: Setting, width: int, sets: dict[tuple[Any, ...], InputSet], spell: Callable[[str], str]
) -> InputSet:
    """Return an input set of a combination; equal ones are made once."""
    spec, seed, resample = (_value(combination, option) for option in ("inputs", "input_seed", "resample_inputs"))
    dimension = combination.get("input_dim") or own_dimension(spec, width)
    key = (spec, dimension, seed, resample)
    if key not in sets:
        sets[key] = input_set(
            spec,
            dimension=dimension,
            seed=seed,
            name=spell("inputs"),
            resample=resample,
            data_dir=combination.get("data_dir"),
        )
    return sets[key]


def _value(combination: Setting, option: str) -> Any:
    return combination.get(option, OPTIONS[option].default)
