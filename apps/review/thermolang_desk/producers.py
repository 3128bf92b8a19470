"""The API for programs on other machines, which ask with a token; see ``thermolang.review.ReviewClient``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thermolang import Confidence, Decision, ReviewStore
from thermolang.errors import RefusedError
from thermolang.review import ReviewItem, TokenStore
from thermolang_desk.access import bearer
from thermolang_desk.api import ItemId

router = APIRouter(prefix="/api/v1/producer")


def _producer(request: Request) -> str:
    """Whom the token was made for. A session does not do, as operators must not see what an item keeps from them."""
    token = bearer(request)
    name = TokenStore(request.app.state.store).name_of(token) if token else None
    if name is None:
        raise HTTPException(401, "a token is needed that was not revoked")
    request.state.user = f"program {name}"
    return name


async def _store(request: Request) -> ReviewStore:
    store: ReviewStore = request.app.state.store
    return store


Producer = Annotated[str, Depends(_producer)]
Store = Annotated[ReviewStore, Depends(_store)]


class Answer(BaseModel):
    """An answer; the store has limits of its own for its texts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    question: str
    answer: str
    confidence: dict[str, Any]
    decision: dict[str, Any]
    context: str = ""
    model: str = ""
    task: str | None = None
    key: str = Field("", max_length=500)

    def arguments(self, producer: str) -> dict[str, Any]:
        """As the store takes them."""
        try:
            scored, decision = Confidence.from_dict(self.confidence), Decision.from_dict(self.decision)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            msg = f"confidence or decision: {where}: {error.errors()[0]['msg']}"
            raise RefusedError(msg[:300]) from error
        # With the name, so that no program meets an item of another one.
        key = f"{producer} {self.key}" if self.key else ""
        return {**self.model_dump(), "confidence": scored, "decision": decision, "key": key}


@router.post("/items")
def submit(body: Answer, producer: Producer, store: Store) -> dict[str, Any]:
    """Add a doubtful answer."""
    return {"item": _record(store.submit(**body.arguments(producer)))}


@router.post("/accepted")
def submit_accepted(body: Answer, producer: Producer, store: Store) -> dict[str, Any]:
    """Offer an accepted answer to the audit."""
    item = store.submit_accepted(**body.arguments(producer))
    return {"item": _record(item) if item else None}


@router.get("/items/{item_id}")
def get(item_id: ItemId, producer: Producer, store: Store) -> dict[str, Any]:
    """One item with its verdict."""
    return {"item": _record(store.get(item_id))}


def _record(item: ReviewItem) -> dict[str, Any]:
    return item.to_dict()
