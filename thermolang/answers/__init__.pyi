from .clustering import cluster_answers as cluster_answers
from .embedding import SentenceEmbedder as SentenceEmbedder
from .equivalence import Equivalence as Equivalence
from .grading import is_right as is_right
from .judging import ChatJudge as ChatJudge
from .judging import EntailmentJudge as EntailmentJudge
from .rules.guards import GUARDS as GUARDS
from .rules.guards import Guard as Guard
