"""The thorough confidence of a free-form answer: sampled answers, grouped by meaning, and the self-check."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from thermolang.answers.clustering import SemanticClusters, cluster_answers
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.sentences import sentence_support
from thermolang.calibration.fit import log_odds, predictive_interval
from thermolang.calibration.semantic import ROUNDS, Evidence, SemanticFit
from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.storage import digest
from thermolang.types import Alternative, Confidence, Generation, Message, Mode, Reason

if TYPE_CHECKING:
    from thermolang.types import FloatArray, ScoringModel

SAMPLES = 8
TEMPERATURE = 1.0

SHORTEST, LONGEST = 32, 512
"""Tokens a sampled answer may have; in between twice those of the given answer."""

NO_FIT = Reason(
    "no_semantic_fit",
    "this calibrator has no fit for meanings, so the confidence is that of one pass: thermolang calibrate --samples 8",
)
REFUSAL = Reason("refusal", "the answer is a refusal")


@dataclass
class Thorough:
    """Turns a confidence from one forward pass into that of the answer's meaning.

    Args:
        model: Samples the answers, unless they are given.
        fit: What was learned about meanings; None if the calibrator has none.
        equivalence: Decides what means the same.
        samples: How many answers to sample, N.
        threshold: Sample in rounds, and only until it is clear on which side of it the confidence ends (adaptive);
            None samples all N at once.
        annotate: Also tell for each sentence of the answer which share of the samples supports it; that share is NOT a
            calibrated probability (experimental).
    """

    model: ScoringModel
    fit: SemanticFit | None
    equivalence: Equivalence = field(default_factory=Equivalence)
    samples: int = SAMPLES
    threshold: float | None = None
    annotate: bool = False

    def confidence(
        self,
        messages: Sequence[Message],
        answer: Generation | str,
        fast: Confidence,
        given: Sequence[Generation | str] | None = None,
    ) -> Confidence:
        """Compute the confidence of the answer's meaning.

        Args:
            messages: The conversation up to the question.
            answer: The model's answer.
            fast: Its one-pass confidence.
            given: Answers that were sampled before, elsewhere; then none are sampled here.

        Returns:
            A confidence with ``source="meaning"``. Where samples cannot be had or used, ``fast`` with the reason; where
            no sample is needed, ``fast`` with the value that the semantic fit gives without samples.
        """
        start = time.perf_counter()
        try:
            found = self._decide(messages, answer, fast, given)
        except ThermolangError as error:
            found = fast.because(Reason("no_samples", f"no sampled answers: {error}"))
        return replace(found, seconds=fast.seconds + time.perf_counter() - start)

    def _decide(
        self,
        messages: Sequence[Message],
        answer: Generation | str,
        fast: Confidence,
        given: Sequence[Generation | str] | None,
    ) -> Confidence:
        if given is not None:
            return self._judged(messages, answer, fast, list(given), None)
        if self.threshold is None:
            return self._judged(messages, answer, fast, self._sample(messages, answer, self.samples, 0), TEMPERATURE)
        if self.fit is None or fast.value is None:  # no sample could change what is decided
            return fast.because(NO_FIT if fast.value is not None else None)
        alone = self.fit.alone(np.array([log_odds(fast.value)]), np.array([_mean_probability(answer)]))
        if self.fit.is_final(alone, 0, self.threshold).all():
            return self._valued(fast, alone)
        drawn: list[Generation | str] = []
        found = fast
        for size in [n for n in ROUNDS if n < self.samples] + [self.samples]:
            drawn += self._sample(messages, answer, size, len(drawn))
            found = self._judged(messages, answer, fast, drawn, TEMPERATURE)
            odds = np.array(log_odds(found.value if found.value is not None else 0.5))
            if self.fit.is_final(odds, size, self.threshold):
                break
        return found

    def _sample(
        self, messages: Sequence[Message], answer: Generation | str, n: int, after: int
    ) -> list[Generation | str]:
        """Sampled answers ``after`` to n - 1 of a sequence whose seed depends on the conversation only."""
        text = answer.text if isinstance(answer, Generation) else answer
        tokens = len(answer.token_ids) if isinstance(answer, Generation) else len(text) // 2
        said = "\0".join(str(m["content"]) for m in messages)
        return list(
            self.model.sample(
                messages,
                n,
                max_new_tokens=min(max(SHORTEST, 2 * tokens), LONGEST),
                temperature=TEMPERATURE,
                # The same conversation gets the same samples, so a later round goes on where the last one ended.
                seed=int(digest(said, 8), 16),
                # An answer of one line is compared with samples of one line.
                stop=() if "\n" in text.strip() else ("\n",),
                answer=answer if isinstance(answer, Generation) else None,
                after=after,
            )
        )

    def _judged(
        self,
        messages: Sequence[Message],
        answer: Generation | str,
        fast: Confidence,
        drawn: list[Generation | str],
        temperature: float | None,
    ) -> Confidence:
        """The confidence, given the samples."""
        text = answer.text if isinstance(answer, Generation) else answer
        sampled = [g for g in drawn if isinstance(g, Generation)]
        texts = [g.text if isinstance(g, Generation) else g for g in drawn]
        found = cluster_answers(
            texts,
            answer=text,
            question=str(messages[-1]["content"]),
            logprobs=[sum(g.logprobs) for g in sampled] if len(sampled) == len(drawn) else None,
            equivalence=self.equivalence,
            temperature=temperature,
        )
        own, others = found.given, [m for m in found.clusters if m is not found.given]
        if own is None or not found.samples:
            return fast.because(*_warnings(found))
        warned = fast.because(REFUSAL if own.kind == "refusal" else None, *_warnings(found))
        known = replace(
            warned,
            alternatives=tuple(Alternative(m.text, m.share, m.count) for m in others),
            sentences=sentence_support(text, texts, self.equivalence) if self.annotate else (),
        )
        if self.fit is None or fast.value is None:
            return known.because(NO_FIT if fast.value is not None else None)
        odds = self.fit.log_odds(
            evidence([found]), np.array([log_odds(fast.value)]), np.array([_mean_probability(answer)])
        )
        return replace(self._valued(known, odds), raw=own.share, source="meaning")

    def _valued(self, confidence: Confidence, odds: FloatArray) -> Confidence:
        """The confidence with the value of these log-odds, shape (1,)."""
        value = float(1 / (1 + math.exp(-float(odds[0]))))
        width = self.fit.half_width if self.fit else 0.0
        return replace(confidence, value=value, interval=predictive_interval(value, width))


def check_annotate(mode: Mode, *, choices: bool, given: bool = False) -> None:
    """Refuse to annotate sentences where no answers are sampled.

    Raises:
        InvalidInputError: The mode is fast and no samples are given, or the answers are options.
    """
    if choices:
        msg = "annotate=True tells how sampled answers support each sentence, but with choices none are sampled"
        raise InvalidInputError(msg)
    if mode == "fast" and not given:
        msg = "annotate=True needs sampled answers, and mode 'fast' has none: use mode='thorough', or give samples"
        raise InvalidInputError(msg)


def evidence(groups: Sequence[SemanticClusters]) -> Evidence:
    """How far the samples of M questions, equally many for each, agree with the given answers."""
    n = groups[0].samples
    share = np.array([g.given.share if g.given else 0.0 for g in groups])
    rival = np.array([max((m.share for m in g.clusters if m is not g.given), default=0.0) for g in groups])
    # log n is the largest entropy of n samples; a single sample has none.
    entropy = np.array([g.entropy for g in groups]) / max(math.log(n), 1e-9) if n > 1 else np.zeros(len(groups))
    return Evidence(n, share, entropy, share - rival)


def _warnings(found: SemanticClusters) -> list[Reason]:
    return [Reason("no_samples", warning) for warning in found.warnings]


def _mean_probability(answer: Generation | str) -> float:
    return answer.mean_probability if isinstance(answer, Generation) else math.nan
