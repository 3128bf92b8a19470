"""A new baseline is one decorated function; the experiment, its file and the report take it from the registry.

docs/extending.md quotes the part between the two marks.
"""

import numpy as np
import pytest

from tests.evaluation.synthetic import FAST, tasks
from thermolang.evaluation.baselines import BASELINES, Prediction, baseline, scaled
from thermolang.evaluation.experiment import run
from thermolang.evaluation.report import markdown_tables, render
from thermolang.evaluation.results import added, opened


@pytest.fixture
def halfway():
    # -- docs/extending.md from here
    @baseline("halfway", "Halfway to the base rate", citation="DeGroot, 1974, JASA", in_diagrams=True)
    def halfway(fits):
        """Mean of the model's own probability and the training tasks' accuracy."""
        rate = np.mean([task.right.mean() for task in fits.tasks])

        def predict(predicted):
            own = scaled(predicted, 1.0).confidence
            return [Prediction((own + rate) / 2)]

        return predict

    # -- to here
    yield BASELINES["halfway"]
    del BASELINES["halfway"]


def test_a_baseline_is_measured_drawn_and_explained_once_it_is_registered(halfway):
    known = tasks("choice", count=6, items=40)
    found = run(known[:4], known[4:], protocol="transfer", config=FAST, about={"name": "two tasks"})
    figures = found["summaries"][0]["figures"]
    assert figures["halfway"]["NLL"] is None  # it speaks of the given answer only
    assert 0 < figures["halfway"]["Brier"]["estimate"] < 1
    assert figures["halfway"]["Brier"]["lower"] < figures["halfway"]["Brier"]["upper"]
    assert found["reliability"]["halfway"] and found["risk_coverage"]["halfway"]
    (listed,) = [m for m in found["methods"] if m["name"] == "halfway"]
    assert listed["description"] == "Mean of the model's own probability and the training tasks' accuracy."
    page = render(added(opened(None), found, command="thermolang evaluate"))
    assert page.count(halfway.label) >= 4  # two tables, the diagrams and the list of methods
    assert halfway.citation in page
    assert f"| {halfway.label} | 0 |" in markdown_tables({"settings": [found]})


def test_the_registry_is_as_before():
    assert "halfway" not in BASELINES
