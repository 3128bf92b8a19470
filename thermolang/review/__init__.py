"""The review store: doubtful answers, people's verdicts on them and the audit trail. No torch in here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
