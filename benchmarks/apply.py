"""What a calibrator adds to one answer beyond the model's own forward pass: milliseconds, median and 99th percentile.

    python benchmarks/apply.py [--answers 500] [--width 1536]

The model is a stub that returns random logits and hidden states at once, so everything measured is ours: the network,
the task's state, temperature, level, interval and novelty. Every question is new, so states are saved as in use. Then
the level of a stream of 1,000 inputs is estimated anew, as at 1, 3, 10, 30, ... inputs.
"""

import argparse
import json
import tempfile
import time

import numpy as np

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import fit
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.learner import AnswerScores
from thermolang.calibration.training import TrainingConfig
from thermolang.estimator import ConfidenceEstimator
from thermolang.types import ModelIdentity, OptionScores, Scale


class Stub:
    """A model that has already answered."""

    name = "stub"

    def __init__(self, width):
        self.identity = ModelIdentity("Stub", width, 1, 10, "a", "b", "1")
        self._random = np.random.default_rng(0)

    def choice_logits(self, messages, choices, answer=None):
        return self._scores(tuple(choices))

    def self_check_batch(self, pairs):
        return [self._scores(("yes", "no")) for _ in pairs]

    def _scores(self, options):
        hidden = self._random.normal(size=self.identity.hidden_size).astype(np.float32)
        return OptionScores(options, self._random.normal(size=len(options)), hidden, 1.0, answer_logprob=0.5)


def calibrator(identity):
    """One of random numbers: what it says means nothing, what it costs does."""
    random, width = np.random.default_rng(1), identity.hidden_size
    fits = {}
    for kind, options in ((CHOICE, 4), (SELF_CHECK, 2)):
        tasks = [
            TaskFeatures(
                f"t{i}",
                random.normal(size=(20, width)).astype(np.float32),
                random.normal(size=(20, options)),
                random.integers(options, size=20),
                kind=kind,
                signals={} if kind.is_choice else {"mean_logprob": random.random(20)},
            )
            for i in range(4)
        ]
        fits[kind.name] = fit(tasks, TrainingConfig(steps=2, bias=kind.has_bias))
    return Calibrator(identity, fits, (np.ones((8, width)), np.zeros((8, 2))), model_name="random")


def level_update(learner):
    """Seconds that a new version of a stream of 1,000 inputs takes, the fastest of five."""
    random = np.random.default_rng(2)
    places = random.normal(size=(1000, learner.space.axes.shape[1]))
    answers = [AnswerScores((float(random.normal()), 0.0), 0.0, 0.5, tuple(at)) for at in places]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        learner.start(Scale(1.0), answers)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--width", type=int, default=1536)
    arguments = parser.parse_args()
    stub, figures = Stub(arguments.width), {"width": arguments.width, "answers": arguments.answers}
    with tempfile.TemporaryDirectory() as folder:
        estimator = ConfidenceEstimator(stub, calibrator(stub.identity), state_dir=folder)
        for source, choices in (("choice", list("ABCD")), ("self_check", None)):
            seconds = []
            for i in range(arguments.answers):
                messages = [{"role": "user", "content": f"question {i}"}]
                start = time.perf_counter()
                found = estimator.score(messages, "A", task="benchmark", choices=choices)
                seconds.append(time.perf_counter() - start)
                assert found.value is not None, found.reason
            figures[source] = {
                "median_ms": round(1000 * float(np.median(seconds)), 3),
                "p99_ms": round(1000 * float(np.quantile(seconds, 0.99)), 3),
            }
    figures["level_of_1000_inputs_ms"] = round(1000 * level_update(estimator.calibrator.fits["self_check"].learner), 3)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
