"""Questions with gold answers: readers of files and hubs, and the starter questions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
