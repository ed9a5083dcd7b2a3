"""A trained network in one file: its experiment, its seed and its weights.

The file is a sealed archive (`sealed_archives`); `neurondeath audit --weights` reads it as well.
"""

from pathlib import Path

from torch import nn

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.input_files import read_input_bytes
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.labelled_data import n_outputs, shape_of
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.sealed_archives import FAILURES, MOST_BYTES, seal, unseal

__all__ = ["load_trained", "save_trained"]

COMMENT = b"neurondeath trained network, CRC-32 "
ENTRIES: dict[str, type] = {"experiment": dict, "seed": int, "state_dict": dict}


def save_trained(path: str | Path, experiment: Experiment, seed: int, model: nn.Module) -> Path:
    """Write a trained network to a file, replacing an existing one.

    Parameters
    ----------
    path : path
        The file, in a folder that exists.
    experiment : Experiment
        What it was trained by.
    seed : int
        The seed of its training.
    model : nn.Module
        The network, such as `TrainingRun.model`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be written there.
    """
    target = check_output_file("path", Path(path))
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    content = {"experiment": experiment.description(), "seed": seed, "state_dict": state}
    return write_atomically(target, seal(content, COMMENT))


def load_trained(path: str | Path) -> nn.Module:
    """Build the network of a file that `save_trained` wrote, in evaluation mode, on the CPU.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    nn.Module
        The network. It takes images of shape (n, channels, rows, columns) scaled as those it was trained on:
        `labelled_data.load_labelled_data` with the settings `[data]` of its experiment.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, damaged or something else.

    Examples
    --------
    >>> import tempfile
    >>> from neurondeath_torch.training.labelled_data import load_labelled_data
    >>> from neurondeath_torch.training.loop import train
    >>> run = train(Experiment(epochs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = load_trained(save_trained(f"{folder}/digits.pt", run.experiment, run.seed, run.model))
    >>> test = load_labelled_data("digits", validation=run.experiment.data.validation).test
    >>> right = (model(test.images).argmax(1) == test.classes).double().mean().item()
    >>> right == run.last["test_accuracy"]
    True
    """
    content = read_input_bytes("path", path, most_bytes=MOST_BYTES, what="trained network")
    try:
        found, sealed = unseal(content, COMMENT)
        if not sealed or not isinstance(found, dict):
            raise ValueError("it has another comment, or no entries")
        if any(not isinstance(found.get(name), kind) for name, kind in ENTRIES.items()):
            raise ValueError("it has other entries")
        experiment = read_experiment(found["experiment"])
        name = experiment.data.name
        model = build_model(experiment.model, shape_of(name), n_outputs(name), seed=found["seed"])
        load_shrunk(model, found["state_dict"])
    except FAILURES as error:
        lines = str(error).splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise invalid("path", "be a file written by save_trained", str(path), reason) from None
    return model.eval()
