"""From logits to honest probabilities: Thermometer, temperature scaling, per-answer head, verdicts, metrics."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
