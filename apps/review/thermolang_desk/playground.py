"""Try it: who is logged in asks the model, sees the answer come with its confidence, and may send it to the queue."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

import thermolang
from thermolang import Confidence, Decision
from thermolang.errors import ThermolangError
from thermolang.review import ReviewItem
from thermolang_desk import components, texts
from thermolang_desk.access import Reviewer
from thermolang_desk.api import Body, ItemId
from thermolang_desk.i18n import WORDS, Language, language_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_core.language_models import BaseChatModel

logger = logging.getLogger(__name__)
router = APIRouter()

LONGEST_QUESTION = 4000
# A proxy must not take a model that thinks for a connection that is dead.
STILL_THERE = 15.0
TryMode = Literal["fast", "thorough"]
Chats = Mapping[TryMode, "BaseChatModel"]
"""Chat models in ``with_confidence``, by the mode in which they score."""


class Question(Body):
    """What the model is asked, and how its answer is scored."""

    question: str = Field(min_length=1, max_length=LONGEST_QUESTION, pattern=r"\S")
    mode: TryMode = "fast"


@dataclass
class Asked:
    """A question on its way: what came of it so far, and whether anybody still reads it."""

    came: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    gone: bool = False


class Playground:
    """Asks the model, one question at a time for each person, and keeps each person's last answer.

    Both are in memory: an answer that was not sent to the queue ends with the process.

    Args:
        chats: How the model is asked.
    """

    def __init__(self, chats: Chats) -> None:
        self.chats = chats
        # A person is busy until the model has really stopped, also where the page is closed before.
        self._running: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, ReviewItem] = {}

    def ask(self, name: str, question: str, mode: TryMode) -> Asked | None:
        """Begin to answer; None if this person's last question is still being answered."""
        if name in self._running:
            return None
        asked = Asked()
        task = asyncio.create_task(self._answer(name, question, mode, asked))
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name))
        return asked

    def last(self, name: str, item_id: str) -> ReviewItem | None:
        """A person's last answer, if it is this one."""
        item = self._last.get(name)
        return item if item is not None and item.id == item_id else None

    async def _answer(self, name: str, question: str, mode: TryMode, asked: Asked) -> None:
        whole: Any = None
        try:
            stream = cast("AsyncGenerator[Any, None]", self.chats[mode].astream(question))
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    whole = chunk if whole is None else whole + chunk
                    if text := str(chunk.text):
                        asked.came.put_nowait(("piece", text))
                    if asked.gone:
                        return
            self._last[name] = item = _item(question, whole)
            asked.came.put_nowait(("done", item))
        except ThermolangError as error:
            asked.came.put_nowait(("failed", str(error)))
        except Exception:  # whatever the model does, the page is told
            logger.exception("a question of the page for trying failed")
            asked.came.put_nowait(("failed", ""))


def _playground(request: Request) -> Playground:
    found: Playground = request.app.state.playground
    return found


Trying = Annotated[Playground, Depends(_playground)]


@router.get("/try")
def page(user: Reviewer, playground: Trying, request: Request) -> HTMLResponse:
    """The page on which the model is asked."""
    frame = components.frame_for(request, user)
    return HTMLResponse(components.try_page(frame, tuple(playground.chats), LONGEST_QUESTION))


@router.post("/api/v1/try")
async def ask(body: Question, user: Reviewer, playground: Trying, request: Request) -> StreamingResponse:
    """Ask the model; the answer comes as server-sent events: ``piece``, then ``done`` or ``failed``."""
    words = WORDS[language_for(request)]
    if body.mode not in playground.chats:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, words["try_no_mode"])
    asked = playground.ask(user.name, body.question, body.mode)
    if asked is None:
        raise HTTPException(HTTPStatus.CONFLICT, words["try_busy"])
    # A proxy that collects an answer would hold the stream back.
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_events(asked, language_for(request)), media_type="text/event-stream", headers=headers)


@router.post("/api/v1/try/{item_id}/queue")
def send(item_id: ItemId, user: Reviewer, playground: Trying, request: Request) -> dict[str, Any]:
    """Send one's last answer to the queue; a second time adds nothing."""
    item, words = playground.last(user.name, item_id), WORDS[language_for(request)]
    if item is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, words["try_gone"])
    reasons = {language: words["try_sent_by"].format(operator=user.name) for language, words in WORDS.items()}
    stored = request.app.state.store.submit(
        item.question,
        item.answer,
        confidence=item.confidence,
        # As an item that was chosen by hand, it is no sample of anything.
        decision=Decision("accept", reasons["en"], 0.0, reason_ja=reasons["ja"]),
        model=item.model,
        key=item.id,
    )
    return {"id": stored.id}


async def _events(asked: Asked, language: Language) -> AsyncIterator[str]:
    """What comes of a question, as server-sent events."""
    kind = ""
    try:
        while kind not in ("done", "failed"):
            try:
                kind, told = await asyncio.wait_for(asked.came.get(), STILL_THERE)
            except asyncio.TimeoutError:
                yield ": the model is at work\n\n"
                continue
            yield f"event: {kind}\ndata: {json.dumps(_told(kind, told, language))}\n\n"
    finally:
        asked.gone = True


def _told(kind: str, told: Any, language: Language) -> dict[str, str]:
    if kind == "piece":
        return {"text": texts.visible(told)}
    if kind == "done":
        return {"id": told.id, "html": components.detail(told, language, tried=True)}
    words = WORDS[language]
    return {"text": " ".join(filter(None, [words["try_failed"], texts.visible(told)[:500]]))}


def _item(question: str, message: Any) -> ReviewItem:
    """The answer as an item that is nowhere yet, so that it is shown as the queue would show it."""
    # Not imported by name: only whoever has a model already may load what this needs.
    scored: Confidence = thermolang.confidence_of(message)
    return ReviewItem(
        id=uuid.uuid4().hex,
        created_at=datetime.now(timezone.utc),
        task=scored.task,
        question=question,
        answer=str(message.text),
        confidence=scored,
        decision=Decision("accept", scored.reason, 0.0),
        status="pending",
        version=1,
        model=str(message.response_metadata.get("model_name", "")),
        reason_code=scored.reason_code or ("" if scored.supported else "new_input"),
    )
