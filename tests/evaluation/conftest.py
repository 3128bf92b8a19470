"""One experiment of each kind, run once for all tests of the evaluation."""

import pytest

from tests.evaluation.synthetic import FAST, tasks
from thermolang.evaluation import experiment


@pytest.fixture(scope="session", params=["choice", "self_check"])
def setting(request):
    about = {"name": f"synthetic {request.param}", "model": "m", "form": "chat", "layer": "last"}
    return experiment.run(tasks(request.param), protocol="groups:4", config=FAST, about=about)
