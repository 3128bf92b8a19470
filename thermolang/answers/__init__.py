"""Free-form answers: is one right, do two mean the same, which of many belong together?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
