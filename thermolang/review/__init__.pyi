from .schema import ACTIONS as ACTIONS
from .schema import STATUSES as STATUSES
from .schema import Status as Status
from .schema import VerdictAction as VerdictAction
from .store import Event as Event
from .store import ReviewItem as ReviewItem
from .store import ReviewStore as ReviewStore
from .store import Verdict as Verdict
