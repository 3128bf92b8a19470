"""The review store: doubtful answers, people's verdicts on them and the audit trail. No torch in here."""

from thermolang.review.schema import ACTIONS, STATUSES, Status, VerdictAction
from thermolang.review.store import Event, ReviewItem, ReviewStore, Verdict

__all__ = ["ACTIONS", "STATUSES", "Event", "ReviewItem", "ReviewStore", "Status", "Verdict", "VerdictAction"]
