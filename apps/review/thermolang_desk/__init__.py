"""The review desk: doubtful answers are accepted, corrected or rejected in a browser on this machine."""

from thermolang_desk.app import create_app
from thermolang_desk.server import running, serve

__all__ = ["create_app", "running", "serve"]
