"""The verdict of `neurondeath_torch.auditing.forecast` for the models of experiments, before they are trained."""

from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.loop import load_experiment_data
from neurondeath_torch.training.model_building import build_model

__all__ = ["LearningForecasts"]

MOST_EXPERIMENTS = 100  # some seconds each for deep models
POINTS = 256
RATE = 1e-3  # of the trial step where the optimiser is not Adam


class LearningForecasts:
    """Verdicts by experiment, for the weights of one seed; equal data are loaded once.

    Parameters
    ----------
    data_dir : path, optional
        Folder of the MNIST or CIFAR-10 files.
    """

    def __init__(self, data_dir: str | Path | None = None) -> None:
        self._data_dir = data_dir
        self._data: dict[Any, LabelledData] = {}
        self._found: dict[str, dict[str, Any]] = {}

    def of(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """Return `forecast_verdict` and `forecast_score` of an experiment, None without its data or beyond 100 of them.

        The trial step is that of Adam at the experiment's learning rate, or at 1e-3 for other optimisers.

        Examples
        --------
        >>> LearningForecasts().of(Experiment(epochs=1), seed=0)["forecast_verdict"]
        'learns'
        """
        name = experiment.experiment_id
        if name not in self._found:
            self._found[name] = {"forecast_verdict": None, "forecast_score": None}
            if len(self._found) <= MOST_EXPERIMENTS:
                self._forecast(experiment, seed)
        return self._found[name]

    def _forecast(self, experiment: Experiment, seed: int) -> None:
        if experiment.data.name == "bits":  # a verdict is on accuracies
            return
        try:
            if experiment.data not in self._data:
                self._data[experiment.data] = load_experiment_data(experiment, self._data_dir)
            data = self._data[experiment.data]
            images, classes = data.train.images, data.train.classes[:POINTS]
            model = build_model(experiment.model, data.shape, data.n_classes, seed=seed, images=images)
            adam = experiment.optimiser.kind.startswith("adam") and experiment.optimiser.learning_rate > 0.0
            rate = experiment.optimiser.learning_rate if adam else RATE
            found = forecast(model, images[:POINTS], classes, learning_rate=rate, remedies=False)
        except InvalidArgumentError:  # data that are not there, or a model without a row of logits per image
            return
        score = float(f"{found.score:.3g}")  # more digits would be those of one machine
        self._found[experiment.experiment_id] = {"forecast_verdict": found.verdict, "forecast_score": score}
