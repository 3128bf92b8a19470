"""The version of thermolang."""

__version__ = "0.1.0"
