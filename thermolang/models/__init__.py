"""A local Hugging Face chat model: answers, option logits, self-checks; and the families of chat templates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
