"""A user's file, as a type checker sees it: ``make check`` runs mypy --strict on it; it is never run.

Each ``type: ignore`` below must be needed: mypy --strict refuses one that is not.
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from typing_extensions import assert_type

from thermolang import Confidence, ConfidenceEstimator, ReasonCode, ReviewStore, with_confidence
from thermolang.calibration import TaskFeatures
from thermolang.langchain import ChatThermolang, ConfidenceRouter
from thermolang.langchain import with_confidence as from_the_part
from thermolang.review import ReviewItem, Verdict


def use(chat: BaseChatModel, chain: Runnable[str, str], store: ReviewStore, features: TaskFeatures) -> None:
    """Each line is what a user would write, with the type it must have."""
    estimator = ConfidenceEstimator.from_pretrained("smollm2-135m")
    assert_type(estimator, ConfidenceEstimator)
    assert_type(estimator.snapshot(), ConfidenceEstimator)
    confidence = estimator.score([{"role": "user", "content": "Capital of France?"}], "Paris")
    assert_type(confidence, Confidence)
    assert_type(confidence.value, float | None)
    assert_type(confidence.reason_code, ReasonCode | None)
    assert_type(with_confidence(chat), BaseChatModel)
    assert_type(from_the_part(chain, answer="answer", output="dict"), Runnable[Any, Any])
    assert_type(ConfidenceRouter(store), ConfidenceRouter)
    item = store.submit("q", "a", confidence=confidence, decision=None)  # type: ignore[arg-type]
    assert_type(item, ReviewItem)
    assert_type(item.verdict, Verdict | None)
    estimator.scores()  # type: ignore[attr-defined]
    ChatThermolang.from_model(3)  # type: ignore[arg-type]
    features.labels_of()  # type: ignore[attr-defined]
    with_confidence(chain, task=3)  # type: ignore[call-overload]


def mistakes() -> None:
    """Names that are not there."""
    from thermolang import nonsense  # type: ignore[attr-defined]
    from thermolang.langchain import nonsense as other  # type: ignore[attr-defined]

    assert nonsense is other
