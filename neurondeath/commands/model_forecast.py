"""The forecast of a PyTorch model named on the command line."""

from dataclasses import asdict
from typing import Any

import torch

from neurondeath.commands.model_files import load_data, load_model, load_weights, named_as_arguments, read_shape
from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath_torch.auditing.forecast import ModelForecast, forecast

__all__ = ["show_model_forecast"]

POINTS = 256
LAYOUT = Layout(
    keys=("remedy",),
    priority=("verdict", "score", ("root_rank", "step_gain"), "call"),
    prose=("reason",),
    shown=("remedy", "verdict", "score", "root_rank", "step_gain", "call"),
)


def show_model_forecast(
    spec: str,
    data: str,
    weights: str | None,
    input_shape: str | None,
    learning_rate: float,
    seed: int,
    remedies: bool,
    columns: str | None,
    output: Format,
) -> None:
    """Load a model and data, forecast, and show the result."""
    shape = read_shape(input_shape)
    torch.manual_seed(seed)
    model = load_model(spec)
    if weights is not None:
        load_weights(model, weights)
    batches = load_data(model, data, shape, POINTS, seed)
    with named_as_arguments(batches, input_shape):
        found = forecast(model, batches, learning_rate=learning_rate, remedies=remedies, seed=seed)
    usable = "none of those tried" if found.usable_rate is None else f"{found.usable_rate:.2g}"
    show(
        found.columns(),
        output,
        chosen=columns,
        title=f"{found.n_points} points, features read by {found.layer}",
        notes=[f"largest usable learning rate of Adam: {usable}", str(found)],
        layout=LAYOUT,
        json=lambda: _document(found),
    )


def _document(found: ModelForecast) -> dict[str, Any]:
    document = {name: value for name, value in vars(found).items() if name != "remedies"}
    return {**document, "remedies": [asdict(remedy) for remedy in found.remedies]}
