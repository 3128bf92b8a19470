"""What the desk does, for Prometheus: requests by route and status, and what is in the database."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client import generate_latest as written

from thermolang import ReviewStore
from thermolang.review import StoreCollector
from thermolang_desk.access import Access, bearer, user_of

router = APIRouter()
# In seconds; one of them is the goal for taking and deciding, 0.15.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one desk.

    Args:
        store: Whose items are counted at each reading.
    """

    def __init__(self, store: ReviewStore) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "thermolang_desk_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "thermolang_desk_request_seconds",
            "Time that requests took.",
            ["route"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._registry.register(StoreCollector(store))
        ProcessCollector(registry=self._registry)

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            route: The route's pattern; empty for what is no route. Never a path, which anybody could make up.
            status: Of the answer.
            seconds: That it took.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return written(self._registry)


def _reader(request: Request) -> None:
    """Let in who has the token for metrics, or is an admin."""
    access: Access = request.app.state.access
    if access.metrics_token and hmac.compare_digest(bearer(request).encode(), access.metrics_token.encode()):
        return
    if not user_of(request).may("admin"):
        raise HTTPException(403, "this is for the role admin")


@router.get("/metrics")
def metrics(_: Annotated[None, Depends(_reader)], request: Request) -> Response:
    """Figures for Prometheus."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST)
