"""The review desk: doubtful answers are accepted, corrected or rejected in a browser."""

from thermolang_desk.access import Access, Proxy
from thermolang_desk.app import create_app
from thermolang_desk.oidc import Oidc
from thermolang_desk.server import running, serve

__all__ = ["Access", "Oidc", "Proxy", "create_app", "running", "serve"]
