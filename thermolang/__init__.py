"""thermolang: calibrated confidence for local Hugging Face chat models in LangChain.

Names are loaded on first use (PEP 562), so importing the package pulls neither torch nor LangChain. What there is
stands in ``__init__.pyi``, which type checkers read too; everything else lies in ``thermolang.langchain``,
``thermolang.review``, ``thermolang.calibration`` and the other packages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
