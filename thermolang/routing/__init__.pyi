from .policy import Policy as Policy
