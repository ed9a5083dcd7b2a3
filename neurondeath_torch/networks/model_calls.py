"""How a model is run on a batch, and which of its results are its outputs: the arguments `call` and `outputs`.

    call=       a function (model, batch) that runs the model on a batch as the data give it, labels and all; what it
                returns is the output
    outputs=    which part of that is meant: the name of an entry (`"logits"`), a number, or a function

Without `call` a tensor is passed as it is, of a tuple the first entry, and a mapping by keyword without its labels.
Encoder-decoder models of Hugging Face transformers read their labels as decoder inputs: where a batch holds labels and
no decoder inputs, those are made from the labels by the model's own `prepare_decoder_input_ids_from_labels`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid, listed
from neurondeath_torch.networks.called_batches import CalledBatch
from neurondeath_torch.networks.input_data import usual_inputs

__all__ = ["Call", "Outputs", "called", "chosen_outputs"]

Call = Callable[[nn.Module, Any], Any]
Outputs = str | int | Callable[[Any], Any]
FROM_LABELS = "prepare_decoder_input_ids_from_labels"  # method of encoder-decoder models
DECODER_INPUTS = ("decoder_input_ids", "decoder_inputs_embeds")


def called(model: Any, data: Any, call: Call | None, outputs: Outputs | None = None) -> Any:
    """Return data whose batches know how the model is run on them; the data themselves where that is as usual.

    Parameters
    ----------
    model : nn.Module
        The model that will be run.
    data : tensor or iterable of batches
        The data.
    call : callable or None
        (model, batch) -> output.
    outputs : str, int, callable or None
        Which part of the output is meant.

    Returns
    -------
    tensor or iterable
        Read once if the data are an iterator, otherwise as often as needed.

    Raises
    ------
    InvalidArgumentError
        If `call` or `outputs` is of another kind.

    Examples
    --------
    >>> import torch
    >>> data = [(torch.ones(4, 2), "name")]
    >>> (batch,) = called(nn.Linear(2, 3), data, lambda model, batch: {"y": model(batch[0])}, "y")
    >>> batch.run(nn.Linear(2, 3), batch.batch).shape
    torch.Size([4, 3])
    """
    if call is not None and not callable(call):
        raise invalid("call", "be a function (model, batch) that runs the model", call)
    choose = chosen_outputs(outputs)
    if call is None and outputs is None and not hasattr(model, FROM_LABELS):
        return data
    if call is None:
        call = _from_labels if hasattr(model, FROM_LABELS) else _as_usual
    if not isinstance(data, Iterable) or isinstance(data, (str, bytes, Mapping)):
        return data  # the reader of the data says what is wrong
    run = _Run(call, choose)
    if isinstance(data, Tensor):
        return [CalledBatch(data, run)]
    return _once(data, run) if isinstance(data, Iterator) else _CalledData(data, run)


def chosen_outputs(outputs: Outputs | None) -> Callable[[Any], Any]:
    """Return a function from what a model returns to the chosen part of it.

    Raises
    ------
    InvalidArgumentError
        If the choice is neither a name, a number nor a function; when called, if there is no such part.

    Examples
    --------
    >>> chosen_outputs("logits")({"loss": 0.5, "logits": [1, 2]}), chosen_outputs(0)(("first", "second"))
    ([1, 2], 'first')
    """
    if outputs is None:
        return _everything
    if isinstance(outputs, bool) or not (isinstance(outputs, (str, int)) or callable(outputs)):
        rule = "be the name or number of an entry of what the model returns, or a function of it"
        raise invalid("outputs", rule, outputs)
    return _Chosen(outputs)


class _Run:
    """Runs a model and chooses from what it returns; can be copied and pickled if its parts can."""

    def __init__(self, call: Call, choose: Callable[[Any], Any]) -> None:
        self.call, self.choose = call, choose

    def __call__(self, model: nn.Module, batch: Any) -> Any:
        return self.choose(self.call(model, batch))


class _Chosen:
    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs

    def __call__(self, output: Any) -> Any:
        if not isinstance(self.outputs, (str, int)):
            return self.outputs(output)
        if isinstance(self.outputs, str) and not isinstance(output, Mapping) and hasattr(output, self.outputs):
            return getattr(output, self.outputs)
        try:
            return output[self.outputs]
        except (KeyError, IndexError, TypeError):
            rule = "name an entry of what the model returns"
            there = f"it returns {_described(output)}"
            raise invalid("outputs", rule, self.outputs, there) from None


class _CalledData:
    """Data that are read batch by batch, as often as needed."""

    def __init__(self, data: Iterable[Any], run: Call) -> None:
        self.data, self.run = data, run

    def __iter__(self) -> Iterator[CalledBatch]:
        return _once(self.data, self.run)

    def __len__(self) -> int:
        return len(self.data)  # type: ignore[arg-type]


def _once(data: Iterable[Any], run: Call) -> Iterator[CalledBatch]:
    for batch in data:
        yield batch if isinstance(batch, CalledBatch) else CalledBatch(batch, run)


def _everything(output: Any) -> Any:
    return output


def _as_usual(model: nn.Module, batch: Any) -> Any:
    inputs = usual_inputs(batch)
    return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)  # type: ignore[arg-type]


def _from_labels(model: Any, batch: Any) -> Any:
    """Run an encoder-decoder model, whose decoder reads the labels shifted by one."""
    inputs = usual_inputs(batch)
    whole = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
    if not isinstance(inputs, Mapping):
        return model(inputs)
    if isinstance(whole, Mapping) and "labels" in whole and all(inputs.get(key) is None for key in DECODER_INPUTS):
        made = getattr(model, FROM_LABELS)(labels=whole["labels"])
        return model(**inputs, decoder_input_ids=made)
    return model(**inputs)


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return listed([str(key) for key in output])
    if isinstance(output, (tuple, list)):
        return f"{len(output)} entries"
    return type(output).__name__
