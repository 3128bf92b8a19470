"""Every baseline, and every method of our own, behind one interface and in one registry.

A new one is a function from ``FoldFits`` to ``Predict`` under the decorator ``baseline``; experiments, curves and the
report read all else from its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from thermolang.calibration.kinds import choice_probabilities, self_check_probability, with_probability
from thermolang.calibration.learner import Learner
from thermolang.calibration.level import task_signals
from thermolang.calibration.posterior import robust_posterior
from thermolang.calibration.probe import fit_probe
from thermolang.calibration.semantic import ROUNDS, SampledTask, adaptive
from thermolang.calibration.temperature import Isotonic, Platt, fit_task_temperature, fit_temperature, spread_of
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import InvalidInputError
from thermolang.evaluation.fold_fits import FoldFits, clipped_log_odds, groups_of
from thermolang.evaluation.protocol import TaskPrediction
from thermolang.storage import digest
from thermolang.training.features import with_rotations
from thermolang.training.samples import sampled_task
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

SHEN = "Shen et al., ICML 2024, arXiv 2403.08819"
GUO = "Guo et al., ICML 2017, arXiv 1706.04599"


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a method says of a task's N items.

    Attributes:
        confidence: Shape (N,), P(the given answer is right).
        probabilities: Shape (N, K) over the options; None where a method speaks of the given answer only.
        cost: Shape (N,), tokens it sampled as a share of those of all samples; None where it samples none.
    """

    confidence: FloatArray
    probabilities: FloatArray | None = None
    cost: FloatArray | None = None


Predict = Callable[[TaskPrediction], list[Prediction] | None]
"""Predictions for a held-out task; several where a method draws at random, None where it does not apply."""

Fit = Callable[[FoldFits], Predict]
"""Learns from a fold's training tasks."""


@dataclass(frozen=True)
class Baseline:
    """A way to calibrate that is measured.

    Attributes:
        name: Short, for JSON.
        label: For people.
        description: One sentence.
        citation: Where it was published; empty for what is our own or needs none.
        fit: Learns from a fold's training tasks; what it returns must not look at a held-out task's labels, but for
            those that ``labels`` admits.
        labels: Labels of the held-out task itself that it uses; -1 for half of them (an oracle).
        samples: Whether it needs sampled answers.
        ours: Whether it is what thermolang does.
        in_diagrams: Whether it is drawn in the reliability and risk-coverage diagrams.
        curves: Lines of the figure over numbers of labels that it is a point of, at ``labels``; a line of one point
            without labels is drawn at the same height everywhere.
    """

    name: str
    label: str
    description: str
    fit: Fit
    citation: str = ""
    labels: int = 0
    samples: bool = False
    ours: bool = False
    in_diagrams: bool = False
    curves: tuple[str, ...] = ()


BASELINES: dict[str, Baseline] = {}
"""All methods by name, in the order in which they are shown."""


def baseline(name: str, label: str, description: str = "", **attributes: Any) -> Callable[[Fit], Fit]:
    """Register the decorated function as the fit of a ``Baseline``.

    Args:
        name: As in ``Baseline``.
        label: As in ``Baseline``.
        description: The first line of the function's docstring by default.
        attributes: The others of ``Baseline``.

    Raises:
        InvalidInputError: The name is taken.
    """

    def register(fit: Fit) -> Fit:
        if name in BASELINES:
            msg = f"there is a baseline named {name!r} already: give the new one another name"
            raise InvalidInputError(msg)
        said = description or (fit.__doc__ or "").split("\n")[0]
        BASELINES[name] = Baseline(name, label, said, fit, **attributes)
        return fit

    return register


def scaled(predicted: TaskPrediction, inverse: float | FloatArray, bias: float | FloatArray = 0.0) -> Prediction:
    """Predictions under a temperature and bias, of the task or of each item."""
    task, s, b = predicted.task, np.asarray(inverse), np.asarray(bias)
    if task.kind.has_bias:
        yes = self_check_probability(task.logits, s, b)
        return Prediction(yes, np.stack([yes, 1 - yes], axis=-1))
    # (N,) -> (N, 1), a factor for each row of the logits (N, K).
    p = choice_probabilities(task.logits, s[..., None] if s.ndim else s)
    return Prediction(p.max(-1), p)


@baseline("uncalibrated", "Uncalibrated", in_diagrams=True)
def uncalibrated(_fits: FoldFits) -> Predict:
    """The model's own probabilities."""
    return lambda predicted: [scaled(predicted, 1.0)]


@baseline("base_rate", "Base rate")
def base_rate(fits: FoldFits) -> Predict:
    """The training tasks' mean accuracy for every answer."""
    rate = float(np.mean([t.right.mean() for t in fits.tasks]))
    return lambda predicted: [Prediction(np.full(len(predicted.task), rate))]


def _nothing(_predicted: TaskPrediction) -> None:
    return None


@baseline("ts_cv", "TS-CV", citation=GUO, in_diagrams=True, curves=("ts",))
def one_temperature(fits: FoldFits) -> Predict:
    """One temperature fitted on the training tasks."""
    scale = fit_temperature(fits.tasks, TrainingConfig())
    return lambda predicted: [scaled(predicted, *scale)]


@baseline("ts_cv_bias", "TS-CV + bias", citation="Platt, 1999")
def temperature_and_bias(fits: FoldFits) -> Predict:
    """One temperature and bias fitted on the training tasks; self-checks only."""
    if not fits.has_bias:
        return _nothing
    scale = fits.pooled_scale
    return lambda predicted: [scaled(predicted, *scale)]


@baseline("platt", "Platt", citation="Platt, 1999")
def platt(fits: FoldFits) -> Predict:
    """Logistic map of the confidence, from the training tasks."""
    return _mapped(fits, Platt)


@baseline("isotonic", "Isotonic", citation="Zadrozny and Elkan, KDD 2002")
def isotonic(fits: FoldFits) -> Predict:
    """Monotone map of the confidence."""
    return _mapped(fits, Isotonic)


def _mapped(fits: FoldFits, kind: type[Platt] | type[Isotonic]) -> Predict:
    """A map of the uncalibrated confidence, fitted on the training tasks."""
    found = kind().fit([(scaled(r, 1.0).confidence, r.task.right) for r in fits.training])
    return lambda predicted: [Prediction(found(scaled(predicted, 1.0).confidence))]


@baseline("item_temperature", "Per-item temperature", citation=SHEN)
def item_temperature(_fits: FoldFits) -> Predict:
    """The same network without the mean over inputs."""
    return lambda predicted: [scaled(predicted, predicted.paper)]


@baseline("paper", "Thermometer (paper_mode)", citation=SHEN, in_diagrams=True)
def paper(_fits: FoldFits) -> Predict:
    """As published: one predicted temperature a task."""
    return lambda predicted: [scaled(predicted, float(predicted.paper.mean()))]


@baseline("paper_bias", "Thermometer + bias", citation=SHEN)
def biased(fits: FoldFits) -> Predict:
    """Temperature and bias as the network predicts them; self-checks only."""
    if not fits.has_bias:
        return _nothing
    return lambda predicted: [scaled(predicted, float(predicted.inverse.mean()), float(predicted.bias.mean()))]


@baseline("thermolang", "thermolang (task)", ours=True, in_diagrams=True, curves=("verdicts", "thermolang"))
def thermolang(fits: FoldFits) -> Predict:
    """Thermometer, trusted as far as training supports."""
    return lambda predicted: [scaled(predicted, *fits.scale(predicted))]


@baseline("head", "thermolang (answer)", ours=True, in_diagrams=True)
def head(fits: FoldFits) -> Predict:
    """The per-answer head, for self-checks at the level that the unlabelled answers show."""
    return _answers(fits, fits.learner)


@baseline("ranker", "thermolang without level", ours=True)
def ranker(fits: FoldFits) -> Predict:
    """The head at the Thermometer's mean; self-checks only."""
    return _answers(fits, fits.ranker) if fits.learner.level else _nothing


@baseline("one_kind", "thermolang, one kind of input", ours=True)
def one_kind(fits: FoldFits) -> Predict:
    """One level for all inputs of a task; self-checks only."""
    return _answers(fits, replace(fits.learner, space=None)) if fits.learner.level else _nothing


@baseline("levelled", "Thermometer at the level", ours=True)
def levelled(fits: FoldFits) -> Predict:
    """Temperature without a head, its mean moved to the estimated accuracy; self-checks only."""
    return _answers(fits, replace(fits.learner, head=None)) if fits.learner.level else _nothing


@baseline("level", "Level alone", ours=True)
def level(fits: FoldFits) -> Predict:
    """The estimated accuracy for every answer of a task; self-checks only."""
    found = fits.learner.level
    if found is None:
        return _nothing
    return lambda predicted: [
        Prediction(np.full(len(predicted.task), found.estimate(task_signals(predicted.task)).accuracy))
    ]


def _answers(fits: FoldFits, learner: Learner) -> Predict:
    """P(right) of each answer by a learner, with the task's scale predicted from all its inputs."""

    def predict(predicted: TaskPrediction) -> list[Prediction]:
        scale, scores = fits.scale(predicted), learner.scores(predicted.task)
        return [Prediction(learner.probability(scores, learner.start(scale, scores)))]

    return predict


@baseline("probe", "Frozen-feature probe", citation="Kapoor et al., NeurIPS 2024, arXiv 2406.08391")
def probe(fits: FoldFits) -> Predict:
    """Logistic regression on the hidden state alone."""
    found = fit_probe(fits.tasks, groups=groups_of(fits.tasks))
    return lambda predicted: [Prediction(found.predict(predicted.task.hidden))]


def _signal(_fits: FoldFits, *, name: str) -> Predict:
    """A confidence that was collected along with the logits, unchanged."""

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        values = predicted.task.signals.get(name)
        usable = values is not None and bool(np.isfinite(values).all())
        return [Prediction(np.asarray(values))] if usable else None

    return predict


def _register_signal(name: str, label: str, description: str, citation: str, *, samples: bool = False) -> None:
    register = baseline(name, label, description, citation=citation, samples=samples)
    register(partial(_signal, name=name))


_register_signal("verbalised", "Verbalised", "The confidence the model states when asked.", "Tian et al., EMNLP 2023")
_register_signal(
    "shuffled",
    "Shuffled options",
    "Share of option orders that give the same answer.",
    "Pezeshkpour and Hruschka, NAACL 2024",
)


@baseline("rotations", "Rotated options", citation="Zheng et al., ICLR 2024, arXiv 2309.03882")
def rotations(_fits: FoldFits) -> Predict:
    """The options' probabilities by their mean logits over orders; of the answer in the given order."""

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        task = with_rotations(predicted.task)
        return None if task is None else [_of_given(predicted.task, choice_probabilities(task.logits, 1.0))]

    return predict


def _of_given(task: TaskFeatures, probabilities: FloatArray) -> Prediction:
    """Prediction from probabilities (N, K) of the options for the answers that were given."""
    return Prediction(probabilities[np.arange(len(task)), task.kind.given(task.logits)], probabilities)


@baseline("rotations_head", "thermolang (answer, rotated options)", ours=True)
def rotated_head(fits: FoldFits) -> Predict:
    """The per-answer head on the options' mean logits over orders; of the answer in the given order."""
    answer = head(fits)

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        task = with_rotations(predicted.task)
        found = answer(replace(predicted, task=task)) if task else None
        if task is None or found is None:
            return None
        plain = choice_probabilities(task.logits, fits.scale(predicted).inverse_temperature)
        rows = zip(plain, plain.argmax(-1), found[0].confidence, strict=True)
        return [_of_given(predicted.task, np.stack([with_probability(*row) for row in rows]))]

    return predict


_register_signal(
    "mean_logprob",
    "Mean log-prob",
    "exp of the answer's mean token log-probability.",
    "Malinin and Gales, ICLR 2021",
)

_register_signal(
    "lexical",
    "Lexical agreement",
    "Mean token F1 of all pairs of samples.",
    "Lin et al., TMLR 2024, arXiv 2305.19187",
    samples=True,
)
_register_signal(
    "semantic_entropy",
    "Semantic entropy",
    "1 minus the entropy of the meanings over log N.",
    "Farquhar et al., Nature 2024",
    samples=True,
)
_register_signal(
    "share",
    "Share of the meaning",
    "Share of the samples that mean what the answer means.",
    "Wang et al., ICLR 2023, arXiv 2203.11171",
    samples=True,
)


def _sampled(predict: Predict, predicted: TaskPrediction) -> SampledTask | None:
    """A task's samples, with the log-odds that one pass gives; None if it lacks either."""
    one_pass = predict(predicted)
    return sampled_task(predicted.task, clipped_log_odds(one_pass[0].confidence)) if one_pass else None


@baseline("thorough", "thermolang (thorough)", samples=True, ours=True, in_diagrams=True)
def thorough(fits: FoldFits) -> Predict:
    """P(right) from all samples and the calibrated confidence of one pass."""
    fit, one_pass = fits.semantic, head(fits)

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        task = _sampled(one_pass, predicted)
        if fit is None or task is None:
            return None
        odds = fit.log_odds(task.rounds[ROUNDS[-1]], task.self_check, task.logprob)
        return [Prediction(expit(odds), cost=np.ones(len(odds)))]

    return predict


@baseline("adaptive", "thermolang (adaptive)", samples=True, ours=True, in_diagrams=True)
def as_needed(fits: FoldFits) -> Predict:
    """The same, with as many samples as the decision at the training tasks' mean accuracy needs."""
    fit, one_pass = fits.semantic, head(fits)

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        task = _sampled(one_pass, predicted)
        if fit is None or task is None:
            return None
        rounds = [fit.alone(task.self_check, task.logprob)]
        rounds += [fit.log_odds(task.rounds[n], task.self_check, task.logprob) for n in ROUNDS]
        odds, used = adaptive(fit, rounds, fit.base_rate)
        # (1 + rounds, N), a row for each number of samples; ``used`` (N,) picks the row of each answer.
        tokens = np.stack([np.zeros(len(odds)), *(predicted.task.signals[f"tokens@{n}"] for n in ROUNDS)])
        return [Prediction(expit(odds), cost=tokens[np.searchsorted((0, *ROUNDS), used), np.arange(len(odds))])]

    return predict


DRAWS = 5
"""Random halves of a task; metrics are averaged over them, predictions are not."""

LABELS = (10, 25, 50, 100)

Items = np.ndarray[Any, np.dtype[np.int64]]

Scorer = Callable[[TaskPrediction, "TaskFeatures", TaskPrediction], Prediction]
"""(the whole task, its labelled items, the items to score) -> predictions for the latter."""


def cross_scored(predicted: TaskPrediction, score: Scorer, labels: int) -> list[Prediction] | None:
    """Predict either half of a task from labels of the other half, in several random cuts.

    Args:
        predicted: The task.
        score: Learns from labelled items and scores others.
        labels: How many items of the other half are labelled; all of them if negative.

    Returns:
        One prediction of all items for each cut; None if a half has too few items.
    """
    n = len(predicted.task)
    if n // 2 < max(labels, 2):
        return None
    found = []
    for halves in _cuts(predicted.task.name, n):
        confidence, probabilities = np.empty(n), np.empty((n, predicted.task.logits.shape[1]))
        # Each half learns from the other's labels, so that every item is scored once.
        for scored, other in (halves, halves[::-1]):
            labelled = predicted.task.take(other if labels < 0 else other[:labels])
            part = score(predicted, labelled, _part(predicted, scored))
            confidence[scored] = part.confidence
            # NaN stands for a method that speaks of the given answer only.
            probabilities[scored] = np.nan if part.probabilities is None else part.probabilities
        found.append(Prediction(confidence, None if np.isnan(probabilities).any() else probabilities))
    return found


AS_IT_IS = Scale(1.0, 0.0)
"""1/T and bias of the model as it is."""


@baseline("oracle", "Own labels (oracle)", labels=-1)
def oracle(fits: FoldFits) -> Predict:
    """Temperature (and bias) of half of the task's own labels, shrunk to the model as it is, so that no half runs away.

    Shrunk to what other tasks suggest it would be worse than doing nothing wherever they mislead.
    """
    return _shrunk(-1, AS_IT_IS, spread_of(fits.tasks, AS_IT_IS, bias=fits.has_bias))


def shrunk_temperature(fits: FoldFits, *, labels: int) -> Predict:
    """Temperature on n labels, shrunk to TS-CV by how much the training tasks differ."""
    return _shrunk(labels, fits.pooled_scale, fits.spread)


def _shrunk(labels: int, centre: Scale, spread: tuple[float, float]) -> Predict:
    def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        bias = labelled.kind.has_bias
        return scaled(rest, *fit_task_temperature(labelled, bias=bias, centre=centre, spread=spread))

    return lambda predicted: cross_scored(predicted, score, labels)


def verdicts(fits: FoldFits, *, labels: int) -> Predict:
    """Posterior after n verdicts (right or wrong), with the Thermometer as prior."""
    prior = fits.verdict_prior

    def score(whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        centre = fits.scale(whole)
        found = robust_posterior(prior, centre, labelled.logits, labelled.right, labelled.kind)
        return Prediction(found.predict(rest.task.logits))

    return lambda predicted: cross_scored(predicted, score, labels)


def judged(fits: FoldFits, *, labels: int) -> Predict:
    """As in use after n verdicts: they move the head's random intercept, or without a head the temperature and bias."""
    learner = fits.learner

    def predict(predicted: TaskPrediction) -> list[Prediction] | None:
        scale = fits.scale(predicted)
        start = learner.start(scale, learner.scores(predicted.task))

        def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
            known = list(zip(learner.scores(labelled), labelled.right.tolist(), strict=True))
            return Prediction(learner.probability(learner.scores(rest.task), learner.learned(start, known)))

        return cross_scored(predicted, score, labels)

    return predict


for _n in LABELS:
    baseline(
        f"ts_{_n}",
        f"TS on {_n} labels",
        "Temperature on labels of the task, shrunk to TS-CV.",
        citation=GUO,
        labels=_n,
        curves=("ts",),
    )(partial(shrunk_temperature, labels=_n))
for _n in LABELS:
    baseline(
        f"verdicts_{_n}",
        f"thermolang, {_n} verdicts",
        "Thermometer moved by verdicts.",
        labels=_n,
        ours=True,
        curves=("verdicts",),
    )(partial(verdicts, labels=_n))
for _n in LABELS:
    baseline(
        f"answer_{_n}",
        f"thermolang (answer), {_n} verdicts",
        "As in use: verdicts move the head's random intercept, or without a head the means of temperature and bias.",
        labels=_n,
        ours=True,
    )(partial(judged, labels=_n))


def _cuts(name: str, n: int) -> Iterator[tuple[Items, Items]]:
    # Seeded by the task's name, so that every method gets the same halves.
    rng = np.random.default_rng(int(digest(name), 16))
    for _ in range(DRAWS):
        order = rng.permutation(n)
        yield order[: n // 2], order[n // 2 :]


def _part(predicted: TaskPrediction, items: Items) -> TaskPrediction:
    return TaskPrediction(
        predicted.task.take(items), predicted.inverse[items], predicted.bias[items], predicted.paper[items]
    )
