from .files import score_file as score_file
