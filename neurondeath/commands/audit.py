"""`neurondeath audit`: diagnose a PyTorch model on data."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.messages import message
from neurondeath.commands.model_files import load_data, load_model, load_weights, named_as_arguments, read_shape
from neurondeath.commands.option_names import option_names
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.figures.picture import check_picture
from neurondeath_theory.foundation.validation import check_choice, check_count
from neurondeath_torch.auditing.audit import COLUMNS, Audit
from neurondeath_torch.auditing.audit import audit as run_audit
from neurondeath_torch.auditing.audited_layers import notable_layers

__all__ = ["audit"]

MOST_SHOWN = 10  # layers of a table
LAYOUT = Layout(
    keys=("activation",),
    priority=(
        *("units", "dead", ("living_ratio", "expected_living_ratio"), ("sparsity", "predicted_sparsity")),
        *(("q", "predicted_q"), ("correlation", "predicted_correlation"), "layer"),
    ),
    prose=("reason",),
    shown=(
        *("activation", "kind", "layer", "units", "dead", "sparsity", "predicted_sparsity", "q", "predicted_q"),
        *("correlation", "predicted_correlation", "living_ratio", "expected_living_ratio"),
    ),
)


def audit(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="module:function or file.py:function that builds it, or timm:, torchvision:, transformers:NAME.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(help="digits, mnist, cifar10 (with :M only M images), gaussian:M, tokens:M, a .npy or .npz file."),
    ],
    weights: Annotated[
        str | None, typer.Option(help="State dict, checkpoint or .onnx file to load into the model.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(help="Shape of one point, e.g. 3,32,32; needed if the first layer does not imply it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Points per batch.")] = 256,
    mode: Annotated[str, typer.Option(help="Mode of the model: eval or train (batch norms use the batch).")] = "eval",
    layers: Annotated[
        list[str] | None,
        typer.Option(help="Only activations, or the layers that feed them, of this name or pattern; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random data and of a model that draws its weights.")] = 0,
    picture: Annotated[str | None, typer.Option(help="Also draw the audit: a .png, .pdf or .svg file.")] = None,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Every layer of a deep model, not only those that differ most.")
    ] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Report which units of a model are dead on data, what the theory expects, and which remedies there are.

    The verdict comes first; then a table of the layers, of a deep model the ten that differ most.
    """
    shape = read_shape(input_shape)
    check_choice("--mode", mode, ("eval", "train"))
    check_count("--batch-size", batch_size)
    check_columns(columns, output, COLUMNS)
    if picture is not None:
        check_picture("--picture", picture)
    torch.manual_seed(check_count("--seed", seed, least=0))
    network = load_model(model)
    if weights is not None:
        load_weights(network, weights)
    batches = load_data(network, data, shape, batch_size, seed)
    with named_as_arguments(batches, input_shape), option_names({"layers": "--layers"}):
        result = run_audit(network, batches, mode=mode, layers=layers)
    flat = result.columns()
    picked = (
        range(len(result.layers)) if per_layer or columns is not None else notable_layers(result.layers, MOST_SHOWN)
    )
    shown = {name: [values[index] for index in picked] for name, values in flat.items()}
    title = f"{result.n_points} points, batches: {result.n_batches}, mode: {result.mode}"
    show(
        flat,
        output,
        chosen=columns,
        title=title,
        lead=_sentences(result),
        notes=_notes(result, picked),
        layout=LAYOUT,
        tables=[Table(columns=shown, title=title, layout=LAYOUT)],
        json=lambda: _document(result),
    )
    if picture is not None:
        result.plot(picture)
        message(f"picture: {picture}")


def _sentences(result: Audit) -> list[str]:
    """Return the verdict, a sentence a line, and the calls that help."""
    return [*result.verdict, *(f"  {remedy}" for remedy in result.remedies)]


def _notes(result: Audit, picked: Sequence[int]) -> list[str]:
    """Return what the table does not say: why there is no prediction, and which layers are left out."""
    layers = [result.layers[index] for index in picked]
    notes = [f"{layer.activation}: no prediction, {layer.reason}." for layer in layers if layer.reason]
    notes += [f"{name}: {reason}." for name, reason in result.report.never_zero.items()]
    if len(picked) < len(result.layers):
        notes.append(f"{len(picked)} of {len(result.layers)} layers, those that differ most: --per-layer for all")
    return notes


def _document(result: Audit) -> dict[str, Any]:
    facts = {name: getattr(result, name) for name in ("n_points", "n_batches", "n_probe", "mode")}
    report = result.report
    constant = {name: np.flatnonzero(columns).tolist() for name, columns in report.constant_inputs.items()}
    seen = {
        "never_zero": report.never_zero,
        "not_watched": report.not_watched,
        "constant_inputs": constant,
        "constant_outputs": report.constant_outputs,
    }
    layers = records(result.columns())
    return {**facts, "layers": layers, **seen, "verdict": result.verdict, "remedies": result.remedies}
