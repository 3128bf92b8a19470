from .calibrate import train_calibrator as train_calibrator
from .collect import collect_all as collect_all
from .collect import tasks_to_collect as tasks_to_collect
from .labels import regrade as regrade
from .recipes import ingredients as ingredients
from .store import CollectedItem as CollectedItem
