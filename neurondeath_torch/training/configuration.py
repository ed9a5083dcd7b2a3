"""Settings of a training run: data, model, optimiser, method, tasks; hashed to a stable id.

The keys of `[model]` in addition to those of `ModelChoice` depend on its kind (the keywords of the builders in
`models`), and the keys of `[method]` depend on its kind (the keywords of the methods). Files of experiments are read by
`experiment_files`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, TypeVar

from neurondeath_theory.foundation.configuration import (
    check_fields,
    choice_field,
    count_field,
    flag_field,
    real_field,
    text_field,
)
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS
from neurondeath_torch.training.task_choice import TasksChoice

__all__ = [
    "CHAINS",
    "CYCLIC",
    "OPEN_PARTS",
    "PARTS",
    "TAILORED",
    "DataChoice",
    "Experiment",
    "MethodChoice",
    "ModelChoice",
    "OptimiserChoice",
    "is_id_of",
    "varying_settings",
]

KINDS_OF_DATA = ("digits", "mnist", "cifar10", "bits")
CHAINS = ("mlp", "cnn")  # models whose modules form one plain chain
KINDS_OF_MODEL = ("mlp", "cnn", "lenet", "vgg", "resnet", "vit")
TAILORED = "tailored-leaky-relu"  # a leaky ReLU whose slope follows the depth
ACTIVATIONS = (*KINDS, TAILORED)
INITIALISATIONS = ("default", "he", "rai", "edge-of-chaos", "looks-linear")
NORMALISE = ("input", "layers")
SIGN_FLIPS = ("none", "layer", "neuron")
OPTIMISERS = ("sgd", "adam", "adamw")
PRECISIONS = ("float32", "bfloat16")
SCHEDULES = ("constant", "cosine", "one-cycle", "step")
METHODS = (
    "none",
    "synaptic-stripping",
    "demon-pruning",
    "activate-while-pruning",
    "magnitude-pruning",
    "structured-pruning",
    "redo",
    "continual-backprop",
    "self-normalised-resets",
    "l2-init",
)
CYCLIC = ("activate-while-pruning", "magnitude-pruning")  # methods that rewind the weights
LOOP_VERSION = 1  # part of every id: increased if the loop trains differently

Table = TypeVar("Table")


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """The data: see `labelled_data.load_labelled_data`."""

    name: str = choice_field("Data set; bits go with tasks of bit-flipping.", KINDS_OF_DATA, "digits")
    n_train: int | None = count_field("Training images, taken from the start; all by default.", None)
    n_test: int | None = count_field("Test images, taken from the start; all by default.", None)
    validation: float = real_field(
        "Share of the training images set aside for validation.", 0.1, low=0.0, high=1.0, high_open=True
    )
    centre: bool = flag_field("Subtract the mean training image, not only the mean of a channel.", False)
    augment: bool = flag_field("Shift images by up to 1/8 of their side; mirror cifar10.", False)

    def __post_init__(self) -> None:
        check_fields(self, "data.")


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The model, its activation and how it is initialised; `options` are the keywords of its builder in `models`.

    A sparsifying activation is designed at `q` from `sparsity` and, if it clips, `v_prime` or `m`; or given directly by
    `tau` and `m`.
    """

    kind: str = choice_field("Architecture; further keys depend on it.", KINDS_OF_MODEL, "mlp")
    activation: str = choice_field(
        "Activation of every hidden layer; the tailored one has the slope for its depth.", ACTIVATIONS, "relu"
    )
    sparsity: float | None = real_field("Share of zeros at q of a sparsifying activation, in (0, 1).", None)
    v_prime: float | None = real_field("V'(q*) of a clipped activation, in (0, 1).", None)
    tau: float | None = real_field("Threshold, in place of sparsity.", None)
    m: float | None = real_field("Clipping height, above 0, in place of v_prime.", None)
    q: float = real_field("Variance q* of the design.", 1.0, low=0.0, low_open=True)
    initialisation: str = choice_field("Law of the weights; default is PyTorch's.", INITIALISATIONS, "default")
    sign_flip: str = choice_field("Sign flip on the training images after the initialisation.", SIGN_FLIPS, "none")
    residual: bool = flag_field("Sums h + phi(W h + b) around the layers of equal width of an mlp or cnn.", False)
    effective_depth: float | None = real_field(
        "Effective depth D, which makes these sums critical residual streams at the edge of chaos.",
        None,
        low=0.0,
        low_open=True,
    )
    normalise: str = choice_field(
        "What critical residual streams bring to q*: every input, or what every layer reads too, which holds zeros.",
        NORMALISE,
        "input",
    )
    fixed_biases: bool = flag_field("Biases of linear and convolutional layers stay as they are drawn.", False)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "model.")
        self._check_streams()
        given = [name for name in ("sparsity", "v_prime", "tau", "m") if getattr(self, name) is not None]
        if self.activation in ("relu", TAILORED):
            if given:
                raise invalid(f"model.{given[0]}", f"be left out for {self.activation}", getattr(self, given[0]))
            return
        if (self.sparsity is None) == (self.tau is None):
            raise invalid("model.sparsity", "be given, or tau in its place", self.sparsity)
        clipped = self.activation.startswith("clipped")
        if self.v_prime is not None and (not clipped or self.sparsity is None or self.m is not None):
            raise invalid("model.v_prime", "stand with sparsity for a clipped activation, without m", self.v_prime)
        if clipped and self.v_prime is None and self.m is None:
            raise invalid("model.m", "be given for a clipped activation, or v_prime in its place", None)
        if not clipped and self.m is not None:
            raise invalid("model.m", "be left out for an activation that does not clip", self.m)

    def _check_streams(self) -> None:
        if self.effective_depth is not None and not self.residual:
            raise invalid("model.effective_depth", "stand with residual = true", self.effective_depth)
        if self.normalise != "input" and self.effective_depth is None:
            raise invalid("model.normalise", "stand with effective_depth", self.normalise)
        if self.residual and self.kind not in CHAINS:
            raise invalid("model.residual", f"be left out for {self.kind}: only mlp and cnn are chains of layers", True)
        if self.activation == TAILORED and self.kind not in CHAINS:
            rule = f"have a depth to be tailored to, that of an mlp or cnn, not of {self.kind}"
            raise invalid("model.activation", rule, self.activation)
        if self.effective_depth is not None and self.initialisation not in ("default", "edge-of-chaos"):
            rule = "be edge-of-chaos or left out with effective_depth, which draws the weights at the edge of chaos"
            raise invalid("model.initialisation", rule, self.initialisation)
        if self.residual and self.initialisation == "looks-linear":
            rule = "be another one with residual: sums are not linear in the layers' inputs"
            raise invalid("model.initialisation", rule, self.initialisation)
        if self.residual and self.sign_flip != "none":
            rule = "be none with residual: flips are defined, and proved, for plain networks"
            raise invalid("model.sign_flip", rule, self.sign_flip)


@dataclass(frozen=True, kw_only=True)
class OptimiserChoice:
    """The optimiser and its learning-rate schedule, which is updated every step."""

    kind: str = choice_field("Optimiser.", OPTIMISERS, "sgd")
    learning_rate: float = real_field("Learning rate at the start.", 0.1, low=0.0)
    momentum: float = real_field("Momentum of sgd.", 0.9, low=0.0, high=1.0, high_open=True)
    weight_decay: float = real_field("Weight decay.", 0.0, low=0.0)
    batch_size: int = count_field("Images per batch.", 64)
    schedule: str = choice_field(
        "Learning rate over the run: cosine falls to 0; one-cycle rises over 30 % of the run and then falls; step "
        "divides the rate by 10 at half and at three quarters of the run.",
        SCHEDULES,
        "constant",
    )
    clip: float | None = real_field("Largest norm of the gradient.", None, low=0.0, low_open=True)
    precision: str = choice_field(
        "Of the matrix products and convolutions of a step; weights, losses and what is measured stay float32.",
        PRECISIONS,
        "float32",
    )

    def __post_init__(self) -> None:
        check_fields(self, "optimiser.")


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """The method against dead units during training; `options` are its keywords."""

    kind: str = choice_field("Method during training; further keys depend on it.", METHODS, "none")
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "method.")
        if self.kind == "none" and self.options:
            name = next(iter(self.options))
            raise invalid(f"method.{name}", "be left out for kind none", self.options[name])


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training, without its seed; the name is not part of its id."""

    epochs: int = count_field("Passes over the training images, of each task where there are several.")
    measure: int = count_field("Training images, taken from the start, on which dead units are measured.", 4096)
    data: DataChoice = field(default_factory=DataChoice)
    model: ModelChoice = field(default_factory=ModelChoice)
    optimiser: OptimiserChoice = field(default_factory=OptimiserChoice)
    method: MethodChoice = field(default_factory=MethodChoice)
    tasks: TasksChoice = field(default_factory=TasksChoice)
    name: str = text_field("A label of the runs; not part of their id.", "")

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.data.name == "bits") != (self.tasks.kind == "bit-flipping"):
            rule = 'be bits where tasks.kind is "bit-flipping", and only there'
            raise invalid("data.name", rule, self.data.name)
        for key in ("centre", "augment"):
            if getattr(self.data, key) and self.data.name == "bits":
                raise invalid(f"data.{key}", "be left out for bits, which are no images", True)
        if self.tasks.given and self.method.kind in CYCLIC:
            rule = "be a method that goes on from the weights it has, where there are tasks; this one rewinds them"
            raise invalid("method.kind", rule, self.method.kind)
        if self.tasks.fresh and self.method.kind != "none":
            raise invalid("tasks.fresh", "be left out where a method is given: it compares methods with none", True)

    @property
    def all_epochs(self) -> int:
        """Epochs of all tasks."""
        return self.epochs * (self.tasks.number or 1)

    @cached_property
    def experiment_id(self) -> str:
        """Hash of all settings that affect the result, except the seed; settings with default values are left out."""
        return _digest(self.description(), LOOP_VERSION)

    def description(self) -> dict[str, Any]:
        """Describe the experiment by the settings that differ from their defaults."""
        parts = {name: kept for name in PARTS if (kept := _without_defaults(getattr(self, name)))}
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
        words += [f"{self.tasks.number} tasks of {self.tasks.kind}"] if self.tasks.given else []
        return self.name or ", ".join(words)


PARTS: dict[str, type[Any]] = {
    "data": DataChoice,
    "model": ModelChoice,
    "optimiser": OptimiserChoice,
    "method": MethodChoice,
    "tasks": TasksChoice,
}
OPEN_PARTS = ("model", "method")  # parts whose further keys are keywords of the model or method


def is_id_of(experiment_id: str, description: Mapping[str, Any]) -> bool:
    """Whether an id is that of a description, under this version of the loop or an older one.

    Examples
    --------
    >>> is_id_of(Experiment(epochs=2).experiment_id, {"epochs": 2}), is_id_of("0123456789abcdef", {"epochs": 2})
    (True, False)
    """
    return any(_digest(description, loop) == experiment_id for loop in range(1, LOOP_VERSION + 1))


def _digest(description: Mapping[str, Any], loop: int) -> str:
    text = json.dumps({"loop": loop, **description}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
