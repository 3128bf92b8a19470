"""Accept, review or reject: the decision about one answer, and its reason in a sentence."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict, TypeAdapter

from thermolang.errors import InvalidInputError, NotEnoughDataError, complaint
from thermolang.storage import digest, write_atomically
from thermolang.types import Action, Confidence, Decision, DecisionCode, PolicyMode

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Judged(NamedTuple):
    """An action and why, for programs and in both languages."""

    action: Action
    code: DecisionCode
    en: str
    ja: str


@dataclass(frozen=True)
class Policy:
    """Fixed thresholds on the confidence, for all tasks or for each.

    An answer without a usable confidence goes to review, whatever the thresholds.

    Attributes:
        threshold: Answers with at least this confidence are accepted, in [0, 1].
        reject_below: Answers with less than this confidence are rejected, in [0, ``threshold``]; the default
            rejects none.
        review_unsupported: Whether inputs unlike the calibrator's training go to review, whatever their
            confidence.
        review_all: Whether every answer goes to review: where nothing is certified, or after an alarm.
        mode: ``"shadow"`` decides and records, and holds nothing back; ``"enforce"`` does what it says.
        tasks: Policies of single tasks, by name, in place of this one.

    Raises:
        InvalidInputError: The thresholds are out of order, ``mode`` is unknown, or ``tasks`` are nested.

    Example:
        >>> policy = Policy(threshold=0.8, reject_below=0.1)
        >>> policy.decide(Confidence(0.91)).action
        'accept'
        >>> policy.decide(Confidence(0.62, supported=False)).reason
        '62 % is below the 80 % needed; the question is unlike the training tasks'
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}  # a misspelt key of a file is no policy

    threshold: float = 0.7
    reject_below: float = 0.0
    review_unsupported: bool = True
    review_all: bool = False
    mode: PolicyMode = "enforce"
    tasks: Mapping[str, Policy] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        # NaN fails every comparison, so it is refused here too.
        if not 0 <= self.reject_below <= self.threshold <= 1:
            msg = (
                "expected 0 <= reject_below <= threshold <= 1, "
                f"not reject_below={self.reject_below} and threshold={self.threshold}"
            )
            raise InvalidInputError(msg)
        if self.mode not in ("shadow", "enforce"):
            msg = f"mode is 'shadow' or 'enforce', not {self.mode!r}"
            raise InvalidInputError(msg)
        if any(policy.tasks for policy in self.tasks.values()):
            msg = "the policy of a task has no tasks of its own"
            raise InvalidInputError(msg)

    @classmethod
    def for_budget(cls, confidences: Iterable[float | None], max_review: float) -> Policy:
        """The lowest review that a budget allows: at most a share of the answers goes to people.

        Args:
            confidences: Of past answers like those to come; None for answers without one, which go to people anyway.
            max_review: The share, in [0, 1].

        Returns:
            A policy under which at most that share of ``confidences`` is reviewed. It promises nothing about errors.

        Raises:
            NotEnoughDataError: There are no confidences.
            InvalidInputError: The share or a confidence is outside [0, 1], or the answers without a confidence alone
                are above the budget.
        """
        given = list(confidences)
        scored = sorted(c for c in given if c is not None)
        if not given:
            msg = "a review budget needs the confidences of past answers, and there are none"
            raise NotEnoughDataError(msg)
        if not 0 <= max_review <= 1 or not all(0 <= c <= 1 for c in scored):
            msg = f"the budget and all confidences lie between 0 and 1; the budget is {max_review}"
            raise InvalidInputError(msg)
        allowed = math.floor(max_review * len(given) + 1e-9) - (len(given) - len(scored))
        if allowed < 0:
            missing = percent(1 - len(scored) / len(given))
            msg = f"{missing} of the answers have no confidence and go to people anyway: above the budget of "
            raise InvalidInputError(msg + percent(max_review))
        return cls(float(scored[allowed]) if allowed < len(scored) else 1.0)

    @classmethod
    def for_costs(cls, *, wrong: float, review: float, delay: float = 0.0) -> Policy:
        """The threshold of least expected cost, if the confidences are calibrated.

        Accepting an answer that is right with probability p costs ``(1 - p) * wrong`` on average, and reviewing it
        ``review + delay``; both are equal at the threshold, ``1 - (review + delay) / wrong`` (Chow, 1970).

        Args:
            wrong: Cost of a wrong answer that was accepted.
            review: Cost of a person who looks at an answer.
            delay: Cost of the time that the answer waits.

        Returns:
            The policy; it accepts everything if a review costs as much as a wrong answer.

        Raises:
            InvalidInputError: A cost is negative or not finite, or ``wrong`` is 0.
        """
        costs = (wrong, review, delay)
        if not all(math.isfinite(c) and c >= 0 for c in costs) or wrong == 0:
            msg = f"costs are not negative, and a wrong answer costs more than 0; got {wrong=}, {review=}, {delay=}"
            raise InvalidInputError(msg)
        return cls(max(0.0, 1 - (review + delay) / wrong))

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy file: the attributes as TOML keys, and a table ``[tasks.NAME]`` for each task with its own.

        A task takes what its table leaves out from the keys above the tables.

        Raises:
            InvalidInputError: The file is no TOML, or holds something that is no policy; the message names it.
            OSError: It cannot be read.
        """
        try:
            return _policy_from(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:  # also of TOML, UTF-8 and pydantic
            msg = f"{path} is no policy: {complaint(error)}"
            raise InvalidInputError(msg) from error

    def save(self, path: str | Path) -> None:
        """Write a policy file that ``load`` reads; a reader sees the old file or the whole new one."""
        write_atomically(Path(path), self.to_toml())

    def to_toml(self) -> str:
        """The policy as the text of a file."""
        parts = [_keys(self)]
        for name, policy in self.tasks.items():
            quoted = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
            parts.append(f"[tasks.{quoted}]\n{_keys(policy)}")
        return "\n".join(parts)

    @cached_property
    def fingerprint(self) -> str:
        """Names what this policy accepts: it changes with anything that matters for that, and not with the mode."""
        record = asdict(replace(self, mode="enforce", tasks={}))
        kept = {name: policy.fingerprint for name, policy in sorted(self.tasks.items())}
        return digest(json.dumps([record, kept], sort_keys=True))

    def for_task(self, task: str) -> Policy:
        """What judges the answers of a task: its own policy, or this one."""
        return self.tasks.get(task, self)

    def decide(self, confidence: Confidence) -> Decision:
        """Decide about one answer.

        Without a usable confidence it goes to review; so does a structured answer of which one field alone would. The
        decision names these fields.
        """
        policy = self.for_task(confidence.task)
        judged = policy._judge(confidence)
        doubtful = confidence.doubtful_fields(policy.threshold, unsupported=policy.review_unsupported)
        if judged.action == "reject":
            doubtful = ()
        if doubtful:
            judged = _doubtful(doubtful, policy._judge(confidence.fields[doubtful[0]]))
        return Decision(
            judged.action,
            judged.en,
            1.0 if policy.review_all else policy.threshold,
            code=judged.code,
            value=confidence.value,
            novelty=confidence.novelty,
            mode=policy.mode,
            reason_ja=judged.ja,
            fields=doubtful,
            calibrator=confidence.calibrator,
            task_version=confidence.task_version if confidence.calibrator else None,
            policy=policy.fingerprint,
        )

    def _judge(self, confidence: Confidence) -> _Judged:
        value = confidence.value
        if value is None:
            why = confidence.reason or "the confidence could not be computed"
            return _Judged("review", "no_confidence", why, f"信頼度がありません: {why}" if confidence.reason else NO_JA)
        if not 0 <= value <= 1:
            said = f"confidence {value} is not a probability"
            return _Judged("review", "not_a_probability", said, f"信頼度 {value} は確率ではありません")
        if self.review_all:
            return self._everything(confidence.task)
        judged = self._compare(value)
        return judged if confidence.supported else self._unlike(judged, confidence.novelty)

    def _everything(self, task: str) -> _Judged:
        if not self.tasks:
            return _Judged("review", "review_all", "all answers go to review now", "現在、すべての回答を人が確認します")
        known = ", ".join(map(repr, self.tasks))
        said = f"the policy has no threshold for the task {task!r}, only for {known}"
        return _Judged("review", "other_task", said, f"この方針に課題 {task!r} のしきい値はありません。対象: {known}")

    def _compare(self, value: float) -> _Judged:
        shown, limit = _apart(value, self.threshold)
        if value >= self.threshold:
            en, ja = f"{shown} reaches the {limit} needed", f"{shown} で、必要な {limit} に達しています"
            return _Judged("accept", "accepted", en, ja)
        if value < self.reject_below:
            shown, limit = _apart(value, self.reject_below)
            en, ja = (
                f"{shown} is below the {limit} where answers are rejected",
                f"{shown} で、却下の基準 {limit} 未満です",
            )
            return _Judged("reject", "below_rejection", en, ja)
        en, ja = f"{shown} is below the {limit} needed", f"{shown} で、必要な {limit} に達していません"
        return _Judged("review", "below_threshold", en, ja)

    def _unlike(self, judged: _Judged, novelty: float | None) -> _Judged:
        """The same decision, or a review, of an input that is new to the calibrator, and how new."""
        en, ja = "the question is unlike the training tasks", "質問が学習時の課題と似ていません"
        if novelty is not None:
            en, ja = f"{en} (novelty {novelty:.2f}, usually below 1)", f"{ja}。新規度 {novelty:.2f}、通常は 1 未満"
        but, tada = (", but", "。ただし、") if judged.action == "accept" else (";", "。")
        en, ja = f"{judged.en}{but} {en}", f"{judged.ja}{tada}{ja}"
        if not self.review_unsupported:
            return judged._replace(en=en, ja=ja)
        return _Judged("review", "unsupported", en, ja)


def _doubtful(paths: tuple[str, ...], first: _Judged) -> _Judged:
    """The review of a structured answer for its fields' sake."""
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    further = f"ほか {len(paths) - 1} 項目" if len(paths) > 1 else ""
    en, ja = f"field {paths[0]}{more}: {first.en}", f"項目 {paths[0]}{further}: {first.ja}"
    return _Judged("review", "doubtful_field", en, ja)


NO_JA = "信頼度を計算できませんでした"


def percent(value: float, decimals: int = 0) -> str:
    """A share for people: ``0.8`` becomes ``"80 %"``."""
    return f"{100 * value:.{decimals}f} %"


def _apart(value: float, limit: float) -> tuple[str, str]:
    """Two shares in percent, with as many decimals as it takes to tell them apart, and from 0 and 100 %."""
    for decimals in range(15):
        left, right = round(100 * value, decimals), round(100 * limit, decimals)
        if (left != right or value == limit) and (0 < left < 100 or value in (0, 1)):
            return percent(value, decimals), percent(limit, decimals)
    return f"{100 * value!r} %", f"{100 * limit!r} %"


_OWN = ("threshold", "reject_below", "review_unsupported", "review_all", "mode")


def _keys(policy: Policy) -> str:
    """The settings of one policy as TOML; JSON writes floats, booleans and these words alike."""
    return "".join(f"{name} = {json.dumps(getattr(policy, name))}\n" for name in _OWN)


def _policy_from(text: str) -> Policy:
    """Read the text of a file; a table of a task takes over the keys above it, except that all go to review."""
    record = tomllib.loads(text)
    own = {name: value for name, value in record.items() if name not in ("tasks", "review_all")}
    tables = record.get("tasks", {})
    if isinstance(tables, dict):
        record |= {"tasks": {name: own | t if isinstance(t, dict) else t for name, t in tables.items()}}
    # As JSON, because only there pydantic is strict about numbers and still takes tables for dataclasses.
    found: Policy = TypeAdapter(Policy).validate_json(json.dumps(record, default=str), strict=True)
    return found
