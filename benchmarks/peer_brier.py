"""The peer brier 0.2 beside us: the same model's logits and hidden states, the same tasks, items and labels.

    pip install --no-deps --target BRIER "brier==0.2.*"       # into a folder of its own; it needs numpy only
    thermolang collect --model MODEL --task MMLU --signals --out FEATURES
    PYTHONPATH=BRIER python benchmarks/peer_brier.py FEATURES MODEL
    PYTHONPATH=BRIER python benchmarks/peer_brier.py FEATURES MODEL --kind self_check     # --signals is not needed

brier answers one question about many texts and corrects the answer in levels, each with what is known of that question.
raw: the options' probabilities. L0: their mean log-probability over all orders of the options, divided by the mean
probability of unlabelled texts. L1: one temperature on top, from 50 labels. L2: a linear head on hidden states, from 60
labels and 5 for each answer. Here a question is a task, and brier's own functions get what we collected. So the prompts
are ours; L2 chooses between the two layers that we keep, not among eight; and L0 has at most four orders. A question of
brier's has the same options for every text: so a self-check suits it, which is a yes/no question and has one order, but
where the options of a task's items differ, L2 can learn nothing but letters.

For each seed a task's items are dealt into labels and a test, and every method gets the same first n labels and all of
the task's inputs without labels. brier is told which option is right; thermolang, only whether the model's answer was,
but it has a calibrator from the other tasks, of which brier makes no use. A method that changes the answer is measured
on its own answer. A task counts where 50 items are left to test on: rows with one number of labels are about the same
tasks, those with another may be about fewer.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from thermolang.calibration.bootstrap import interval
from thermolang.calibration.features import without_duplicates
from thermolang.calibration.kinds import choice_probabilities, with_probability
from thermolang.calibration.metrics import auroc, ece, nll
from thermolang.calibration.posterior import robust_posterior
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.fold_fits import FoldFits
from thermolang.evaluation.protocol import make_folds
from thermolang.training.features import with_rotations
from thermolang.training.store import load

LABELS = (0, 50, 100, 300)
FEWEST = 50
"""Items that a task must have left to test on."""

REFERENCE = "thermolang (answer)"


def levels(task, hidden, labelled):
    """brier's probabilities (N, K) and answers by level, as its ``Decider`` has them; none of too few labels."""
    from brier.calibrate.temperature import apply_temperature, fit_temperature
    from brier.debias import apply_prior, fit_prior
    from brier.errors import InsufficientDataError
    from brier.heads.fitted import L2Head
    from brier.heads.select import select_head

    over_orders = with_rotations(task) or task
    mean = log_softmax(over_orders.logits.astype(np.float64), axis=-1)
    l0 = apply_prior(mean, fit_prior(mean))
    found = {"raw": log_softmax(task.logits.astype(np.float64), axis=-1), "L0, no texts": mean, "L0": l0}
    y = task.labels[labelled]
    try:
        found["L1"] = apply_temperature(l0, fit_temperature(l0[labelled], y))
        # (N, 2 layers, d)
        head = L2Head.from_selection(select_head(hidden[labelled], (0, 1), y, l0.shape[1]))
        found["L2"] = head.log_probs(hidden[:, head.layer])
    except InsufficientDataError:
        pass
    return {f"brier {name}": (np.exp(p), task.kind.given(p)) for name, p in found.items()}


def of_options(task, scale, p):
    """Probabilities (N, K) from P(the model's answer is right), (N,), the others in proportion; and its answers."""
    answer = task.kind.given(task.logits)
    if task.kind.has_bias:
        return np.stack([p, 1 - p], axis=-1), answer
    plain = choice_probabilities(task.logits, scale.inverse_temperature)
    return np.stack([with_probability(*row) for row in zip(plain, answer, p, strict=True)]), answer


def task_alone(fits, predicted, labelled):
    """The Thermometer's temperature (and bias), moved by verdicts on the labelled items."""
    task, scale = predicted.task, fits.scale(predicted)
    right = task.right[labelled]
    found = robust_posterior(fits.verdict_prior, scale, task.logits[labelled], right, task.kind)
    # Without verdicts the prior's centre is what is used, not its predictive mean.
    p = found.predict(task.logits) if len(labelled) else task.kind.probability(task.logits, scale)
    return of_options(task, scale, p)


def per_answer(fits, predicted, labelled):
    """As in use: the per-answer head, whose intercept verdicts move."""
    task, scale, learner = predicted.task, fits.scale(predicted), fits.learner
    scores = learner.scores(task)
    verdicts = [(scores[i], bool(task.right[i])) for i in labelled]
    now = learner.learned(learner.start(scale, scores), verdicts)
    return of_options(task, now.scale, learner.probability(scores, now))


def methods(fits, predicted, hidden, labelled):
    found = levels(predicted.task, hidden, labelled)
    found |= {"Thermometer": task_alone(fits, predicted, labelled), REFERENCE: per_answer(fits, predicted, labelled)}
    if rotated := with_rotations(predicted.task):
        found[f"{REFERENCE}, rotations"] = per_answer(fits, replace(predicted, task=rotated), labelled)
    return found


def figures(probabilities, answer, labels):
    """Accuracy, NLL of the right option, ECE and AUROC of a method's own answers."""
    confidence, right = probabilities[np.arange(len(labels)), answer], answer == labels
    return right.mean(), nll(probabilities, labels), ece(confidence, right), auroc(confidence, right)


def measured(args):
    """Figures by (labels, method) and task: the means over seeds."""
    last, middle = (
        without_duplicates(load(args.features, args.model, kind=args.kind, layer=layer)) for layer in ("last", "middle")
    )
    layers = {a.name: np.stack([b.hidden, a.hidden], axis=1) for a, b in zip(last, middle, strict=True)}
    found = defaultdict(dict)
    for fold in make_folds(last, protocol=args.protocol, config=TrainingConfig(steps=args.steps)):
        fits = FoldFits(fold)
        for predicted in fold.testing:
            task, several = predicted.task, defaultdict(list)
            budgets = [n for n in LABELS if len(task) - n >= FEWEST]
            for seed in range(args.seeds if budgets else 0):
                order = np.random.default_rng(seed).permutation(len(task))
                test = order[budgets[-1] :]
                for n in budgets:
                    for name, (p, answer) in methods(fits, predicted, layers[task.name], order[:n]).items():
                        several[n, name].append(figures(p[test], answer[test], task.labels[test]))
            for key, rows in several.items():
                found[key][task.name] = np.nanmean(rows, axis=0)
    return found


def table(found):
    print("| labels | tasks | method | right | NLL | NLL less ours | ECE | AUROC |\n|---|---|---|---|---|---|---|---|")
    for (n, name), by_task in found.items():
        rows = np.array(list(by_task.values()))
        ours = found[n, REFERENCE]
        difference = np.array([row[1] - ours[task][1] for task, row in by_task.items()])
        draws = np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))
        low_high = interval(np.concatenate([[difference.mean()], difference[draws].mean(-1)]))
        beside = "" if name == REFERENCE else f"{low_high.estimate:+.3f} [{low_high.lower:+.3f}, {low_high.upper:+.3f}]"
        right, loss, error, rank = np.nanmean(rows, axis=0)
        print(f"| {n} | {len(rows)} | {name} | {right:.3f} | {loss:.3f} | {beside} | {error:.3f} | {rank:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, help="what thermolang collect wrote")
    parser.add_argument("model", help="as it was collected")
    parser.add_argument("--kind", choices=("choice", "self_check"), default="choice")
    parser.add_argument("--protocol", default="groups:5", help="as of thermolang evaluate")
    parser.add_argument("--steps", type=int, default=5000, help="of training a network")
    parser.add_argument("--seeds", type=int, default=5, help="random cuts of a task into labels and test")
    table(dict(sorted(measured(parser.parse_args()).items(), key=lambda item: item[0][0])))


if __name__ == "__main__":
    main()
