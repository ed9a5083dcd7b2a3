"""Models of other packages on the command line: timm:NAME, torchvision:NAME, transformers:NAME, with random weights.

Nothing is downloaded: the package draws the weights, or --weights reads them from a file. NAME of transformers is a
model type (gpt2, bert, vit), built from its default configuration, or a folder that `save_pretrained` wrote, whose
weights are read.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from neurondeath.commands.python_files import reason_of
from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import did_you_mean, invalid

__all__ = ["SOURCES", "model_of_source"]


def _timm(name: str) -> nn.Module:
    package = import_or_explain("timm")
    if not package.is_model(name):
        raise _unknown("timm", name, package.list_models())
    model: nn.Module = package.create_model(name, pretrained=False)
    return model


def _torchvision(name: str) -> nn.Module:
    models = import_or_explain("torchvision.models")
    if name not in models.list_models():
        raise _unknown("torchvision", name, models.list_models())
    options: dict[str, Any] = {"weights": None}
    if name.startswith(("googlenet", "inception")):
        options["init_weights"] = True  # otherwise the package warns
    model: nn.Module = models.get_model(name, **options)
    return model


def _transformers(name: str) -> nn.Module:
    package = import_or_explain("transformers")
    if Path(name).is_dir():
        loaded: nn.Module = package.AutoModel.from_pretrained(name, local_files_only=True)
        return loaded
    known = list(import_or_explain("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES)
    if name not in known:
        raise _unknown("transformers", name, known)
    built: nn.Module = package.AutoModel.from_config(package.AutoConfig.for_model(name))
    return built


SOURCES: dict[str, Callable[[str], nn.Module]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}


def model_of_source(spec: str) -> nn.Module | None:
    """Build the model that "source:NAME" names; None for any other specification.

    Raises
    ------
    InvalidArgumentError
        If the package has no such model or cannot build it.
    MissingExtraError
        If the package is not installed; the message is one line with the remedy.
    """
    source, _, name = spec.partition(":")
    if source not in SOURCES:
        return None
    if not name:
        raise invalid("MODEL", f"name a model of {source}", spec, f"as in {source}:NAME")
    try:
        return SOURCES[source](name)
    except NeuronDeathError:
        raise
    except (Exception, SystemExit) as error:  # whatever a package raises that cannot build one of its models
        raise invalid("MODEL", f"be a model that {source} can build", spec, reason=reason_of(error)) from None


def _unknown(source: str, name: str, known: Sequence[str]) -> InvalidArgumentError:
    near = did_you_mean(name, list(known))
    return invalid("MODEL", f"name one of the {len(known)} models of {source}", name, near)
