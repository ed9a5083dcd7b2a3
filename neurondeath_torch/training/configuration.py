"""Configuration of a training run: data, model, optimiser, method; read from TOML and hashed to a stable id.

    epochs = 10                       [data]                  [model]                 [optimiser]
    seeds = [0, 1, 2]                 name = "digits"         kind = "mlp"            kind = "sgd"
                                      validation = 0.1        widths = [64, 64]       learning_rate = 0.1

    [method]                          [grid]
    kind = "synaptic-stripping"       "optimiser.learning_rate" = [0.01, 0.1]
    every = 2                         "model.widths" = [[64, 64], [128, 128]]

`[grid]` runs every combination of its lists; each table of a list of tables (`method = [{...}, {...}]`) overrides keys
of the table of that name, here `[method]`. All keys except `epochs` have defaults. The keys of `[model]` in addition to
those of `ModelChoice` depend on its kind (the keywords of the builders in `models`), and the keys of `[method]` depend
on its kind (the keywords of the methods).
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from neurondeath_theory.foundation.validation import check_choice, check_count, check_flag, check_real, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS

__all__ = [
    "DataChoice",
    "Experiment",
    "MethodChoice",
    "ModelChoice",
    "OptimiserChoice",
    "read_experiment",
    "read_experiments",
    "varying_settings",
]

KINDS_OF_DATA = ("digits", "mnist", "cifar10")
KINDS_OF_MODEL = ("mlp", "cnn", "lenet", "vgg", "resnet", "vit")
INITIALISATIONS = ("default", "he", "rai", "edge-of-chaos")
SIGN_FLIPS = ("none", "layer", "neuron")
OPTIMISERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine", "one-cycle", "step")
METHODS = (
    "none",
    "synaptic-stripping",
    "demon-pruning",
    "activate-while-pruning",
    "magnitude-pruning",
    "structured-pruning",
    "redo",
)
MOST_RUNS = 100_000
LOOP_VERSION = 1  # part of every id: increased if the loop trains differently

Table = TypeVar("Table")


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """The data: see `labelled_data.load_labelled_data`; `augment` shifts by up to 1/8, and mirrors cifar10."""

    name: str = "digits"
    n_train: int | None = None
    n_test: int | None = None
    validation: float = 0.1
    augment: bool = False

    def __post_init__(self) -> None:
        check_choice("data.name", self.name, KINDS_OF_DATA)
        for name in ("n_train", "n_test"):
            if getattr(self, name) is not None:
                check_count(f"data.{name}", getattr(self, name))
        check_real("data.validation", self.validation, low=0.0, high=1.0, high_open=True)
        check_flag("data.augment", self.augment)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The model, its activation and how it is initialised.

    Attributes
    ----------
    kind : {"mlp", "cnn", "lenet", "vgg", "resnet", "vit"}
        The builder in `models`; `options` are its keywords.
    activation : str
        "relu", or a sparsifying activation: designed at `q` from `sparsity` and, if it clips, `v_prime` or `m`; or
        given directly by `tau` and `m`.
    initialisation : {"default", "he", "rai", "edge-of-chaos"}
        "default" is PyTorch's initialisation.
    sign_flip : {"none", "layer", "neuron"}
        Sign flip on the training images, after the initialisation.
    """

    kind: str = "mlp"
    activation: str = "relu"
    sparsity: float | None = None
    v_prime: float | None = None
    tau: float | None = None
    m: float | None = None
    q: float = 1.0
    initialisation: str = "default"
    sign_flip: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("model.kind", self.kind, KINDS_OF_MODEL)
        check_choice("model.activation", self.activation, KINDS)
        check_choice("model.initialisation", self.initialisation, INITIALISATIONS)
        check_choice("model.sign_flip", self.sign_flip, SIGN_FLIPS)
        check_real("model.q", self.q, low=0.0, low_open=True)
        given = [name for name in ("sparsity", "v_prime", "tau", "m") if getattr(self, name) is not None]
        if self.activation == "relu" and given:
            raise invalid(f"model.{given[0]}", "be left out for relu", getattr(self, given[0]))
        if self.activation != "relu" and (self.sparsity is None) == (self.tau is None):
            raise invalid("model.sparsity", "be given, or tau instead", self.sparsity)
        clipped = self.activation.startswith("clipped")
        if self.v_prime is not None and (not clipped or self.sparsity is None or self.m is not None):
            raise invalid(
                "model.v_prime", "be combined with sparsity for a clipped activation, without m", self.v_prime
            )
        if clipped and self.v_prime is None and self.m is None:
            raise invalid("model.m", "be given for a clipped activation, or v_prime instead", None)
        if not clipped and self.m is not None:
            raise invalid("model.m", "be left out for an activation that does not clip", self.m)


@dataclass(frozen=True, kw_only=True)
class OptimiserChoice:
    """The optimiser and its learning-rate schedule, which is updated every step.

    Attributes
    ----------
    schedule : {"constant", "cosine", "one-cycle", "step"}
        "cosine" falls to 0, "one-cycle" rises over 30 % of the run and then falls, "step" divides the rate by 10 at
        half and at three quarters of the run.
    clip : float, optional
        Largest norm of the gradient.
    """

    kind: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 64
    schedule: str = "constant"
    clip: float | None = None

    def __post_init__(self) -> None:
        check_choice("optimiser.kind", self.kind, OPTIMISERS)
        check_choice("optimiser.schedule", self.schedule, SCHEDULES)
        check_real("optimiser.learning_rate", self.learning_rate, low=0.0)
        check_real("optimiser.momentum", self.momentum, low=0.0, high=1.0, high_open=True)
        check_real("optimiser.weight_decay", self.weight_decay, low=0.0)
        check_count("optimiser.batch_size", self.batch_size)
        if self.clip is not None:
            check_real("optimiser.clip", self.clip, low=0.0, low_open=True)


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """The method against dead units during training; `options` are its keywords."""

    kind: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("method.kind", self.kind, METHODS)
        if self.kind == "none" and self.options:
            name = next(iter(self.options))
            raise invalid(f"method.{name}", "be left out for kind none", self.options[name])


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training, without its seed.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    measure : int
        Number of training images, taken from the start, on which dead units are measured.
    name : str
        A label; not part of the id.
    """

    epochs: int
    measure: int = 4096
    data: DataChoice = field(default_factory=DataChoice)
    model: ModelChoice = field(default_factory=ModelChoice)
    optimiser: OptimiserChoice = field(default_factory=OptimiserChoice)
    method: MethodChoice = field(default_factory=MethodChoice)
    name: str = ""

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs)
        check_count("measure", self.measure)
        if not isinstance(self.name, str):
            raise invalid("name", "be a string", self.name)

    @cached_property
    def experiment_id(self) -> str:
        """Hash of all settings that affect the result, except the seed; settings with default values are left out."""
        identity = {"loop": LOOP_VERSION, **self.description()}
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def description(self) -> dict[str, Any]:
        """Describe the experiment by the settings that differ from their defaults."""
        parts = {
            name: kept
            for name in ("data", "model", "optimiser", "method")
            if (kept := _without_defaults(getattr(self, name)))
        }
        measure = {} if self.measure == type(self).measure else {"measure": self.measure}
        return {"epochs": self.epochs, **measure, **parts}

    def settings(self) -> dict[str, Any]:
        """Return every setting under its dotted key, including defaults."""
        flat: dict[str, Any] = {"epochs": self.epochs, "measure": self.measure}
        for name in PARTS:
            values = asdict(getattr(self, name))
            values.update(values.pop("options", {}))
            flat.update({f"{name}.{key}": value for key, value in values.items()})
        return flat

    def __str__(self) -> str:
        words = [self.data.name, self.model.kind, self.optimiser.kind]
        words += [self.method.kind] if self.method.kind != "none" else []
        return self.name or ", ".join(words)


PARTS: dict[str, type[Any]] = {
    "data": DataChoice,
    "model": ModelChoice,
    "optimiser": OptimiserChoice,
    "method": MethodChoice,
}
OPEN_PARTS = ("model", "method")  # parts whose further keys are keywords of the model or method


def read_experiment(description: Mapping[str, Any]) -> Experiment:
    """Build an experiment from a description as returned by `Experiment.description`."""
    return _experiment(description)


def read_experiments(source: str | Path | Mapping[str, Any]) -> tuple[list[Experiment], list[int]]:
    """Read the experiments of a TOML file, one for every combination of its grid, and their seeds.

    Parameters
    ----------
    source : path or mapping
        The file, or the contents of such a file.

    Returns
    -------
    experiments : list of Experiment
        In the order of the grid; the last list varies fastest.
    seeds : list of int
        Seeds of each experiment; [0] by default.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, a key is unknown or a value is out of its domain.

    Examples
    --------
    >>> document = {"epochs": 2, "seeds": [0, 1], "grid": {"optimiser.learning_rate": [0.01, 0.1]}}
    >>> experiments, seeds = read_experiments(document)
    >>> [experiment.optimiser.learning_rate for experiment in experiments], seeds
    ([0.01, 0.1], [0, 1])
    """
    document = dict(source) if isinstance(source, Mapping) else _read_toml(Path(source))
    seeds = _read_seeds(document.pop("seeds", [0]))
    grid = document.pop("grid", {})
    if not isinstance(grid, Mapping) or not all(isinstance(values, list) and values for values in grid.values()):
        raise invalid("grid", 'hold non-empty lists, as "optimiser.learning_rate" = [0.01, 0.1]', grid)
    n_runs = len(seeds)
    for values in grid.values():
        n_runs *= len(values)
    if n_runs > MOST_RUNS:
        raise invalid("grid", f"define at most {MOST_RUNS} runs", n_runs)
    experiments = []
    for values in product(*grid.values()):
        chosen = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
        for key, value in zip(grid, values, strict=True):
            _place(chosen, key, value)
        experiments.append(_experiment(chosen))
    return experiments, seeds


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid("CONFIG", "be a TOML file", f"{path} ({error})") from None
    except OSError as error:
        raise invalid("CONFIG", "name a readable TOML file", f"{path} ({error.strerror or error})") from None


def _read_seeds(seeds: Any) -> list[int]:
    if not isinstance(seeds, Sequence) or isinstance(seeds, str) or not seeds:
        raise invalid("seeds", "be a non-empty list of whole numbers", seeds)
    checked = [check_count(f"seeds[{i}]", seed, least=0) for i, seed in enumerate(seeds)]
    if len(set(checked)) < len(checked):
        raise invalid("seeds", "be distinct", seeds)
    return checked


def _place(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a table overrides keys of an existing one."""
    part, dot, name = key.partition(".")
    if not dot:
        held = document.get(part)
        document[part] = {**held, **value} if isinstance(held, dict) and isinstance(value, Mapping) else value
        return
    table = document.setdefault(part, {})
    if not isinstance(table, dict):
        raise invalid(part, "be a table", table)
    table[name] = value


def _experiment(document: Mapping[str, Any]) -> Experiment:
    known = [f.name for f in fields(Experiment)]
    for key in document:
        if key not in known:
            raise invalid(key, f"be one of {', '.join([*known, 'seeds', 'grid'])}", document[key])
    if "epochs" not in document:
        raise invalid("epochs", "be given", None)
    plain = {key: value for key, value in document.items() if key not in PARTS}
    return Experiment(**plain, **{name: _part(name, document.get(name, {})) for name in PARTS})


def _part(name: str, table: Any) -> Any:
    if not isinstance(table, Mapping):
        raise invalid(name, "be a table", table)
    known = [f.name for f in fields(PARTS[name]) if f.name != "options"]
    own = {key: value for key, value in table.items() if key in known}
    further = {key: value for key, value in table.items() if key not in known}
    if further and name not in OPEN_PARTS:
        key = next(iter(further))
        raise invalid(f"{name}.{key}", f"be one of {', '.join(known)}", further[key])
    return PARTS[name](**own, **({"options": further} if further else {}))


def varying_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the settings in which runs differ, except the number of epochs.

    Examples
    --------
    >>> varying_settings([{"a": 1, "b": 2, "epochs": 3}, {"a": 1, "b": 3, "c": 0, "epochs": 4}])
    ['b', 'c']
    """
    keys = dict.fromkeys(key for each in settings for key in each if key != "epochs")
    return [key for key in keys if len({repr(each.get(key)) for each in settings}) > 1]


def _without_defaults(part: Any) -> dict[str, Any]:
    values = asdict(part)
    defaults = {f.name: f.default for f in fields(part) if f.default is not MISSING}
    kept = {name: value for name, value in values.items() if name != "options" and value != defaults.get(name)}
    return {**kept, **values.get("options", {})}
