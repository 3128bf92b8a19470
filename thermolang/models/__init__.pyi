from .families import FAMILIES as FAMILIES
from .families import Family as Family
from .families import family_of as family_of
from .limits import Limits as Limits
from .local import LocalModel as LocalModel
from .prometheus import ModelCollector as ModelCollector
