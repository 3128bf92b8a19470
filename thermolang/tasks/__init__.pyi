from .readers import load_tasks as load_tasks
from .starter import starter_tasks as starter_tasks
