"""thermolang: calibrated confidence for local Hugging Face chat models in LangChain.

Names are loaded on first use (PEP 562), so importing the package pulls neither torch nor LangChain.
"""

import importlib
from typing import Any

from thermolang._version import __version__ as __version__

_EXPORTS = {
    "Alternative": "types",
    "Calibrator": "calibration.calibrator",
    "CalibratorMismatchError": "errors",
    "ChatJudge": "answers.judging",
    "ChatThermolang": "langchain.chat_model",
    "Confidence": "types",
    "ConfidenceCallbackHandler": "langchain.callback",
    "ConfidenceEstimator": "estimator",
    "ConfidenceGateMiddleware": "langchain.agents",
    "ConfidenceRouter": "langchain.router",
    "ConflictError": "errors",
    "Decision": "types",
    "EntailmentJudge": "answers.judging",
    "Equivalence": "answers.equivalence",
    "Example": "types",
    "Generation": "types",
    "LocalModel": "models.local",
    "ModelError": "errors",
    "NotEnoughDataError": "errors",
    "Policy": "routing.policy",
    "ReviewItem": "review.store",
    "ReviewStore": "review.store",
    "SentenceEmbedder": "answers.embedding",
    "SentenceSupport": "types",
    "StoreError": "errors",
    "Task": "types",
    "TaskFormatError": "errors",
    "ThermolangError": "errors",
    "confidence_of": "langchain.messages",
    "get_confidence_callback": "langchain.callback",
    "resume_from_store": "langchain.agents",
    "with_confidence": "langchain.wrapper",
}

__all__ = sorted([*_EXPORTS, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        msg = f"module 'thermolang' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"thermolang.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
