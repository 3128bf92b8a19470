from .families import FAMILIES as FAMILIES
from .families import Family as Family
from .families import family_of as family_of
from .local import LocalModel as LocalModel
from .prometheus import ModelCollector as ModelCollector
from .scheduler import Limits as Limits
