"""The long jobs: reading many items with a model, sampling answers, making a calibrator."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
