"""A model's forward pass with the hidden states that a confidence is read from."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import torch

from thermolang.errors import ModelError

_latest = threading.local()
"""``hidden``: the input of the output embeddings in this thread's latest forward pass."""


class ForwardPass:
    """Calls a transformers causal language model, and keeps the hidden states after its final norm.

    Args:
        model: The model; it is watched from now on.

    Raises:
        ModelError: The model has no output embeddings.
    """

    def __init__(self, model: Any) -> None:
        watch_hidden_states(model)
        self.model = model
        self._accepted = {*inspect.signature(model.forward).parameters, "output_hidden_states"}

    def __call__(self, **inputs: Any) -> Any:
        """Run the model on those of the inputs that its architecture names."""
        return self.model(**{name: value for name, value in inputs.items() if name in self._accepted})

    def hidden(self) -> torch.Tensor:
        """The hidden states (B, P, d) of this thread's latest forward pass; they are given out once."""
        hidden: torch.Tensor = _latest.hidden
        del _latest.hidden
        return hidden


def watch_hidden_states(model: Any) -> None:
    """Keep the input of a model's output embeddings at each forward pass, for the thread that runs it.

    One hook stays with the model; a hook for each call would see other threads' passes, too.

    Raises:
        ModelError: The model has no output embeddings.
    """
    head = model.get_output_embeddings()
    if head is None:
        msg = f"{type(model).__name__} has no output embeddings: a causal language model is needed"
        raise ModelError(msg)
    if _keep_hidden not in head._forward_pre_hooks.values():
        head.register_forward_pre_hook(_keep_hidden)


def _keep_hidden(_head: Any, inputs: tuple[torch.Tensor, ...]) -> None:
    # A function of the module, not a closure: a model that carries it can still be copied and pickled.
    _latest.hidden = inputs[0].detach()
