"""Checks of what comes in: every refusal is a RefusedError that says what was wrong and what is allowed."""

from __future__ import annotations

from thermolang.errors import RefusedError
from thermolang.review.schema import ACTIONS, REJECT_CODES

# In characters. What a person types is short; what a model wrote may be long, but not without end.
LONGEST = {"question": 1_000_000, "answer": 2_000_000, "context": 4_000_000, "model": 500, "task": 500}
LONGEST |= {"reason": 10_000, "operator": 200, "note": 10_000, "corrected_answer": 200_000, "search": 500}
# What an integer column of PostgreSQL holds.
MAX_VERSION = 2**31 - 1


def check(holds: bool, message: str) -> None:
    """Raise a RefusedError with the message unless the condition holds."""
    if not holds:
        raise RefusedError(message)


def check_lengths(**texts: str) -> None:
    """Refuse texts that are longer than ``LONGEST``, by their names there."""
    for name, text in texts.items():
        label, limit = name.replace("_", " "), LONGEST[name]
        check(len(text) <= limit, f"the {label} has {len(text):,} characters, and {limit:,} are the limit; shorten it")


def check_verdict(action: str, operator: str, corrected_answer: str | None, note: str, reason_code: str) -> None:
    """Refuse a verdict that is incomplete or contradicts itself."""
    check(action in ACTIONS, f"unknown action {action!r}; one of {', '.join(ACTIONS)}")
    check_operator(operator)
    if action == "correct":
        check((corrected_answer or "").strip() != "", "a correction needs the corrected answer")
    else:
        check(corrected_answer is None, f"a corrected answer goes with action 'correct', not {action!r}")
    check(not reason_code or action == "reject", f"a reason code goes with action 'reject', not {action!r}")
    known = not reason_code or reason_code in REJECT_CODES
    check(known, f"unknown reason code {reason_code!r}; one of {', '.join(REJECT_CODES)}")
    check_lengths(note=note, corrected_answer=corrected_answer or "")


def check_operator(operator: str) -> None:
    """Refuse an empty or endless name."""
    check(operator.strip() != "", "a verdict needs the name of its operator")
    check_lengths(operator=operator)


def check_version(version: int | None) -> None:
    """Refuse what no database can compare with a version."""
    if version is None:
        return
    known = isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= MAX_VERSION
    # A number of a million digits is not repeated.
    shown = version if known or not isinstance(version, int) else f"one of {version.bit_length()} bits"
    check(known, f"a version is a whole number from 0 to {MAX_VERSION}, got {shown}")


def clean_text(text: str) -> str:
    """Replace what no database can hold (NUL, half of a surrogate pair): an odd answer must not be lost."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
