"""The head: ranks within tasks it has not seen, leaves p_T alone where nothing helps, depends on no order."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import Hyperparameters, answer_features
from thermolang.calibration.head_training import HeadConfig, fit_head
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.calibration.posterior import anchor
from thermolang.errors import InvalidInputError, NotEnoughDataError

ONE = (1.0, 0.0)
SMALL = HeadConfig(feature_spreads=(0.3,), components=(4, 16), hidden_spreads=(0.5, 2.0), folds=4)


def tasks_with_a_direction(n_tasks, *, strength=1.5, slope=1.0, items=40, width=16, kind=CHOICE, seed=0):
    """The log-odds of a right answer are ``slope`` times those of p_T, plus hidden coordinate 0 times ``strength``.

    Hidden states and levels differ between tasks as well, and how they differ means nothing.
    """
    rng, tasks = np.random.default_rng([seed, n_tasks, round(10 * strength)]), []
    for k in range(n_tasks):
        logits = rng.normal(0, 1.5, (items, 2 if kind.has_bias else 4))
        own = rng.normal(0, 1, (items, width))
        odds = slope * answer_features(logits, ONE, kind=kind)[:, 0] + strength * own[:, 0] + rng.normal(0, 0.4)
        right = rng.random(items) < expit(odds)
        other = (logits.argmax(1) + rng.integers(1, 4, items)) % 4
        labels = np.where(right, 0, 1) if kind.has_bias else np.where(right, logits.argmax(1), other)
        hidden = (own + rng.normal(0, 1, width)).astype(np.float32)
        tasks.append(TaskFeatures(f"task {k}", hidden, logits, labels, kind=kind))
    return tasks


def scales(tasks):
    return [ONE] * len(tasks)


def log_odds(head, hidden, logits, scale, logprob=None):
    return head.odds(logits, head.logit_offset(hidden, logprob), scale)


def predict(head, hidden, logits, scale, intercept=0.0):
    return expit(log_odds(head, hidden, logits, scale) + intercept)


def gains(head, tasks):
    """AUROC gained and NLL saved within each task, head and p_T anchored to the same mean."""
    pairs = []
    for t in tasks:
        before = t.kind.probability(t.logits, ONE)
        c = anchor(log_odds(head, t.hidden, t.logits, ONE), float(before.mean()))
        after = predict(head, t.hidden, t.logits, ONE, intercept=c)
        assert after.mean() == pytest.approx(before.mean(), abs=1e-9)
        pairs.append(
            (auroc(after, t.right) - auroc(before, t.right), binary_nll(before, t.right) - binary_nll(after, t.right))
        )
    return np.mean(pairs, axis=0)


def parts(head):
    """Everything a prediction depends on."""
    return np.concatenate([head.coefficients, head.weights, [head.tau, head.tau_anchored]])


@pytest.fixture(scope="module")
def tasks():
    return tasks_with_a_direction(14)


@pytest.fixture(scope="module")
def head(tasks):
    return fit_head(tasks, scales(tasks), config=SMALL)


# What it gains


@pytest.mark.parametrize("kind", [CHOICE, SELF_CHECK])
def test_a_direction_in_every_task_ranks_answers_of_unseen_tasks(kind):
    tasks = tasks_with_a_direction(24, kind=kind)
    head = fit_head(tasks[:14], scales(tasks[:14]), config=SMALL)
    ranking, nll = gains(head, tasks[14:])
    assert ranking > 0.06
    assert nll > 0.04
    assert head.hyperparameters.components and head.kind is kind
    assert head.gain > 2 * head.gain_error > 0
    assert head.auroc_gain == pytest.approx(ranking, abs=0.05)


def test_the_direction_is_the_true_one(head):
    assert np.abs(head.weights).argmax() == 0
    assert head.weights[0] > 3 * np.abs(head.weights[1:]).max()


@pytest.mark.parametrize("seed", range(4))
def test_noise_leaves_p_as_it_is_or_does_no_harm(seed):
    tasks = tasks_with_a_direction(24, strength=0.0, seed=seed)
    ranking, nll = gains(fit_head(tasks[:14], scales(tasks[:14]), config=SMALL), tasks[14:])
    assert ranking >= -0.005
    assert nll >= -0.005


def test_where_nothing_helps_the_head_is_p_exactly():
    tasks = tasks_with_a_direction(12, strength=0.0)
    head = fit_head(tasks, scales(tasks), config=replace(SMALL, level=0.9999))
    assert head.hyperparameters == Hyperparameters() and not parts(head)[:-2].any()
    assert (head.gain, head.gain_error, head.auroc_gain) == (0.0, 0.0, 0.0)
    p = CHOICE.probability(tasks[0].logits, (0.7, 0.0))
    assert predict(head, tasks[0].hidden, tasks[0].logits, (0.7, 0.0)) == pytest.approx(p)


def test_chance_must_be_ruled_out(tasks):
    """A direction that helps somewhat is used at a low level of proof and not at a high one."""
    weak = tasks_with_a_direction(10, strength=0.8)
    easy, hard = (fit_head(weak, scales(weak), config=replace(SMALL, level=level)) for level in (0.5, 0.9999))
    assert easy.hyperparameters.components and not hard.hyperparameters.components


def test_log_odds_that_are_too_steep_are_flattened_by_the_cues():
    steep = tasks_with_a_direction(14, strength=0.0, slope=0.4)
    head = fit_head(steep, scales(steep), config=SMALL)
    assert head.hyperparameters.features and head.coefficients[1] < -0.2
    assert gains(head, tasks_with_a_direction(10, strength=0.0, slope=0.4, seed=1))[1] > 0.01


# What it does not depend on


def test_the_order_of_tasks_and_items_does_not_matter(tasks, head):
    rng = np.random.default_rng(0)
    shuffled = [tasks[i].take(rng.permutation(len(tasks[i]))) for i in rng.permutation(len(tasks))]
    other = fit_head(shuffled, scales(shuffled), config=SMALL)
    assert other.hyperparameters == head.hyperparameters
    assert parts(other) == pytest.approx(parts(head), abs=1e-4)


def test_the_order_of_choices_does_not_matter(tasks, head):
    order = np.array([2, 0, 3, 1])
    turned = [replace(t, logits=t.logits[:, order], labels=np.argsort(order)[t.labels]) for t in tasks]
    assert np.array_equal(parts(fit_head(turned, scales(turned), config=SMALL)), parts(head))
    assert np.array_equal(
        predict(head, tasks[0].hidden, tasks[0].logits, ONE), predict(head, tasks[0].hidden, turned[0].logits, ONE)
    )


def test_equal_seeds_give_equal_heads(tasks, head):
    assert np.array_equal(parts(fit_head(tasks, scales(tasks), config=SMALL)), parts(head))


def test_an_answer_has_the_same_probability_alone(tasks, head):
    t = tasks[0]
    together = predict(head, t.hidden, t.logits, (0.5, 0.0), intercept=0.3)
    alone = [predict(head, t.hidden[i, None], t.logits[i, None], (0.5, 0.0), intercept=0.3)[0] for i in range(len(t))]
    assert alone == together.tolist()


def test_the_intercept_moves_the_log_odds(tasks, head):
    t = tasks[0]
    odds = log_odds(head, t.hidden, t.logits, ONE)
    assert predict(head, t.hidden, t.logits, ONE, intercept=-0.7) == pytest.approx(expit(odds - 0.7))


def test_groups_are_left_out_together():
    """Copies of three noise tasks would teach the head its own labels, if they were not left out together."""
    three = tasks_with_a_direction(3, strength=0.0, width=60)
    copies = [replace(t, name=f"{t.name} {c}") for t in three for c in range(4)]
    config = replace(SMALL, components=(60,), hidden_spreads=(2.0,))
    names = [t.name[:6] for t in copies]
    assert fit_head(copies, scales(copies), config=config).hyperparameters.components
    assert not fit_head(copies, scales(copies), groups=names, config=config).hyperparameters.components


# Levels


def test_tau_is_what_levels_of_tasks_were_off_by():
    tasks = tasks_with_a_direction(40, strength=0.0, items=60)  # levels are N(0, 0.4^2)
    head = fit_head(tasks, scales(tasks), config=SMALL)
    assert head.tau == pytest.approx(0.4, abs=0.15)
    assert head.tau_anchored == pytest.approx(head.tau, abs=0.12)


def test_an_anchor_does_not_mind_the_level_of_hidden_states():
    """Hidden states move a lot between tasks, where that means nothing: only the anchor is not led astray."""
    tasks = tasks_with_a_direction(14, strength=2.0)
    head = fit_head(tasks, scales(tasks), config=SMALL)
    assert head.tau > head.tau_anchored


def test_tasks_of_one_class_break_nothing(tasks):
    def only(task, right):
        answer = task.logits.argmax(1)
        return replace(task, labels=answer if right else (answer + 1) % 4)

    mixed = [only(tasks[0], True), only(tasks[1], False), *tasks[2:]]
    head = fit_head(mixed, scales(mixed), config=SMALL)
    assert np.isfinite(parts(head)).all() and head.hyperparameters.components
    assert gains(head, tasks_with_a_direction(6, seed=1))[0] > 0.06
    all_right = [only(t, True) for t in tasks]
    p = predict(fit_head(all_right, scales(tasks), config=SMALL), tasks[0].hidden, tasks[0].logits, ONE)
    assert np.isfinite(p).all()


# What it refuses


def test_too_few_groups_are_refused(tasks):
    with pytest.raises(NotEnoughDataError, match="3 groups"):
        fit_head(tasks[:2], scales(tasks[:2]))
    with pytest.raises(NotEnoughDataError, match="3 groups"):
        fit_head(tasks, scales(tasks), groups=["a", "b"] * 7)
    with pytest.raises(NotEnoughDataError, match="3 groups"):
        fit_head([], [])


def test_tasks_that_do_not_fit_together_are_refused(tasks):
    with pytest.raises(InvalidInputError, match="13 scales"):
        fit_head(tasks, scales(tasks)[1:])
    with pytest.raises(InvalidInputError, match="group each"):
        fit_head(tasks, scales(tasks), groups=["a"])
    with pytest.raises(InvalidInputError, match="one kind"):
        fit_head([*tasks, *tasks_with_a_direction(1, kind=SELF_CHECK)], [*scales(tasks), ONE])
    with pytest.raises(InvalidInputError, match="one width"):
        fit_head([*tasks, *tasks_with_a_direction(1, width=8)], [*scales(tasks), ONE])
    with pytest.raises(InvalidInputError, match="scale"):
        fit_head(tasks, [*scales(tasks)[1:], (0.0, 0.0)])


def test_bad_inputs_are_refused(tasks, head):
    hidden, logits = tasks[0].hidden, tasks[0].logits
    for bad in (np.where(hidden > 2, np.nan, hidden), hidden[:, :8], hidden[0]):
        with pytest.raises(InvalidInputError, match="hidden state"):
            predict(head, bad, logits, ONE)
    with pytest.raises(InvalidInputError, match="a logit offset for each of 40 answers"):
        predict(head, hidden[1:], logits, ONE)
    with pytest.raises(InvalidInputError, match="logits"):
        predict(head, hidden, np.full_like(logits, np.nan), ONE)


def with_logprob(tasks, strength, seed=0):
    """Self-checks whose answers were the likelier to be right the more probable their tokens were."""
    rng, found = np.random.default_rng(seed), []
    for t in tasks:
        logprob = rng.random(len(t))
        odds = answer_features(t.logits, ONE, kind=SELF_CHECK)[:, 0] + strength * (logprob - 0.5)
        labels = np.where(rng.random(len(t)) < expit(odds), 0, 1)
        found.append(replace(t, labels=labels, signals={"mean_logprob": logprob}))
    return found


@pytest.mark.parametrize("strength", [6.0, 0.0])
def test_an_answers_log_probability_counts_where_it_tells_something(strength):
    tasks = with_logprob(tasks_with_a_direction(14, strength=0.0, items=80, kind=SELF_CHECK), strength)
    head = fit_head(tasks, scales(tasks), config=SMALL)
    assert (head.logprob_weight > 3) is (strength > 0)
    t = tasks[0]
    after = expit(log_odds(head, t.hidden, t.logits, ONE, t.signals["mean_logprob"]))
    gained = auroc(after, t.right) - auroc(SELF_CHECK.probability(t.logits, ONE), t.right)
    assert gained > 0.05 if strength else abs(gained) < 0.02


def test_a_missing_log_probability_breaks_nothing():
    tasks = with_logprob(tasks_with_a_direction(14, strength=0.0, items=80, kind=SELF_CHECK), 6.0)
    known = [t.signals["mean_logprob"] for t in tasks]
    some = [np.where(np.arange(80) % 5, x, np.nan) for x in known]
    holes = [replace(t, signals={"mean_logprob": x}) for t, x in zip(tasks, some, strict=True)]
    head = fit_head(holes, scales(tasks), config=SMALL)
    assert head.logprob_weight > 2
    assert 0.4 < head.usual_logprob < 0.6
    without = [replace(t, signals={}) if i == 3 else t for i, t in enumerate(tasks)]
    assert fit_head(without, scales(tasks), config=SMALL).logprob_weight == 0.0


def test_training_odds_are_out_of_fold(tasks, head):
    assert [len(o) for o in head.training_odds] == [len(t) for t in tasks]
    again = np.concatenate([log_odds(head, t.hidden, t.logits, ONE) for t in tasks])
    assert not np.allclose(np.concatenate(head.training_odds), again)
    assert auroc(expit(np.concatenate(head.training_odds)), np.concatenate([t.right for t in tasks])) > 0.7


def test_a_head_that_certainly_harms_one_group_is_not_used():
    helped = tasks_with_a_direction(12, items=80)
    assert fit_head(helped, scales(helped), config=SMALL).chosen
    # In one more group the direction means the opposite, in enough items to be beyond doubt.
    (there,) = tasks_with_a_direction(1, strength=3.0, items=2000, seed=9)
    opposite = replace(there, hidden=-there.hidden)
    mixed = [*helped, opposite]
    found = fit_head(mixed, scales(mixed), config=SMALL)
    assert found.hyperparameters.components == 0
    # A handful of its items would have been no proof.
    few = [*helped, opposite.take(range(8))]
    assert fit_head(few, scales(few), config=SMALL).hyperparameters.components > 0
