"""Accept, review or reject: the decision about one answer, and its reason in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from thermolang.errors import InvalidInputError
from thermolang.types import Action, Confidence, Decision


def _apart(value: float, limit: float) -> tuple[str, str]:
    """Write two numbers with two decimals, or as many more as it takes to tell them apart."""
    for decimals in range(2, 17):
        left, right = f"{value:.{decimals}f}", f"{limit:.{decimals}f}"
        if left != right or value == limit:
            return left, right
    return repr(value), repr(limit)


@dataclass(frozen=True)
class Policy:
    """Fixed thresholds on the confidence.

    Attributes:
        threshold: Answers with at least this confidence are accepted, in [0, 1].
        reject_below: Answers with less than this confidence are rejected, in [0, ``threshold``]; the default
            rejects none.
        review_unsupported: Whether inputs unlike the calibrator's training go to review, whatever their
            confidence.

    Example:
        >>> policy = Policy(threshold=0.8, reject_below=0.1)
        >>> policy.decide(Confidence(0.91)).action
        'accept'
        >>> policy.decide(Confidence(0.42)).reason
        'confidence 0.42 is below the threshold 0.80'
    """

    threshold: float = 0.7
    reject_below: float = 0.0
    review_unsupported: bool = True

    def __post_init__(self) -> None:
        # NaN fails every comparison, so it is refused here too.
        if not 0 <= self.reject_below <= self.threshold <= 1:
            msg = (
                "expected 0 <= reject_below <= threshold <= 1, "
                f"not reject_below={self.reject_below} and threshold={self.threshold}"
            )
            raise InvalidInputError(msg)

    def decide(self, confidence: Confidence) -> Decision:
        """Decide about one answer.

        Without a usable confidence it goes to review; so does a structured answer of which one field alone would. The
        decision names these fields.
        """
        action, reason = self._judge(confidence)
        doubtful = confidence.doubtful_fields(self.threshold) if action != "reject" else ()
        if not doubtful:
            return Decision(action, reason, self.threshold, reason_code=confidence.reason_code)
        more = f" (and {len(doubtful) - 1} more)" if len(doubtful) > 1 else ""
        told = f"field {doubtful[0]}{more}: {self._judge(confidence.fields[doubtful[0]])[1]}"
        return Decision("review", told, self.threshold, doubtful, "doubtful_field")

    def _judge(self, confidence: Confidence) -> tuple[Action, str]:
        value = confidence.value
        if value is None:
            return "review", confidence.reason or "the confidence could not be computed"
        if not 0 <= value <= 1:
            return "review", f"confidence {value} is not a probability"
        if self.review_unsupported and not confidence.supported:
            return "review", _unsupported(confidence.novelty)
        shown, limit = _apart(value, self.threshold)
        if value >= self.threshold:
            return "accept", f"confidence {shown} is at or above the threshold {limit}"
        if value < self.reject_below:
            shown, limit = _apart(value, self.reject_below)
            return "reject", f"confidence {shown} is below the limit for rejection {limit}"
        return "review", f"confidence {shown} is below the threshold {limit}"


def _unsupported(novelty: float | None) -> str:
    """Say that the input is new to the calibrator, and how new."""
    sentence = "the input is unlike what the calibrator was trained on"
    return sentence if novelty is None else f"{sentence} (novelty {novelty:.2f}, usually below 1)"
