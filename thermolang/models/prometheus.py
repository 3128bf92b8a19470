"""What a model has done, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from thermolang.errors import require
from thermolang.models.local import LocalModel


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
            metric = self._metrics.CounterMetricFamily(
                f"thermolang_{field.name}", field.metadata["help"], labels=["model"]
            )
            metric.add_metric(labels, getattr(scheduler.counters, field.name))
            yield metric
        for name, value in (("running", scheduler.running), ("waiting", scheduler.waiting)):
            gauge = self._metrics.GaugeMetricFamily(f"thermolang_{name}", f"Answers {name} now.", labels=["model"])
            gauge.add_metric(labels, value)
            yield gauge
