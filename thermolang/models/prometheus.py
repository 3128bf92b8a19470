"""What a model has done, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from thermolang.errors import require
from thermolang.models.local import LocalModel

HELP = {
    "tokens": "Tokens generated.",
    "steps": "Forward passes that generated them; tokens / steps is the mean batch size.",
    "reads": "Forward passes that read confidences.",
    "rows_read": "Confidences read from forward passes.",
    "prompt_tokens": "Tokens of all prompts.",
    "prefix_tokens": "Tokens of prompts that were taken from an earlier prompt.",
    "prefix_hits": "Prompts that began as an earlier one.",
    "waiting_seconds": "Time that answers waited for their first token.",
    "generating_seconds": "Time of forward passes that generated.",
    "reading_seconds": "Time of forward passes that read confidences.",
    "failed": "Answers that ended with an error.",
    "cancelled": "Answers that nobody waited for any more.",
}


class ModelCollector:
    """A collector of ``prometheus_client``: counters of a model, and how many answers grow and wait.

    Args:
        model: The model.

    Raises:
        MissingExtraError: ``prometheus-client`` is not installed.

    Example::

        prometheus_client.REGISTRY.register(ModelCollector(chat.local))
    """

    def __init__(self, model: LocalModel) -> None:
        self._metrics = require("prometheus_client.core", "metrics")
        self._model = model

    def collect(self) -> Iterator[Any]:
        """The metrics, as ``prometheus_client`` asks for them."""
        scheduler, labels = self._model.scheduler, [self._model.name]
        for field in fields(scheduler.counters):
            metric = self._metrics.CounterMetricFamily(f"thermolang_{field.name}", HELP[field.name], labels=["model"])
            metric.add_metric(labels, getattr(scheduler.counters, field.name))
            yield metric
        for name, value in (("running", scheduler.running), ("waiting", scheduler.waiting)):
            gauge = self._metrics.GaugeMetricFamily(f"thermolang_{name}", f"Answers {name} now.", labels=["model"])
            gauge.add_metric(labels, value)
            yield gauge
