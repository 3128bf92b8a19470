from .formats import read_task as read_task
from .readers import load_tasks as load_tasks
from .starter import starter_tasks as starter_tasks
