"""Answers of reasoning models: what is thought, and what is said."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"

UNFINISHED = "the answer ended while the model was still thinking: allow more tokens, or switch its thinking off"


def final_answer(text: str) -> str | None:
    """What a reasoning model says after its thoughts; None if it never came to that.

    >>> final_answer("<think>France, then.</think> Paris")
    'Paris'
    >>> final_answer("Paris")
    'Paris'
    >>> final_answer("<think>France") is None
    True
    """
    thought, closed, said = text.rpartition(CLOSE)
    if closed:
        return said.strip()
    return None if thought or text.lstrip().startswith(OPEN) else text.strip()


def closed(prompt: str, *, can_think: bool) -> str:
    """A rendered prompt whose answer starts at once: open thoughts are closed, and none are begun.

    Args:
        prompt: The text up to where the answer starts.
        can_think: Whether the model knows thinking at all.
    """
    if not can_think or prompt.rstrip().endswith(CLOSE):
        return prompt
    begun = prompt.rstrip().removesuffix(OPEN) if prompt.rstrip().endswith(OPEN) else prompt
    return f"{begun}{OPEN}\n\n{CLOSE}\n\n"
