"""The HTTP contract of all services: one factory, one shape of errors, lists, instants and ids."""

from shared.http.app import create_app
from shared.http.language import Language, Wording
from shared.http.params import CustomerPath, IdPath, Page, Paging, Slice
from shared.http.problems import PROBLEM_JSON, problem_response
from shared.http.server import serve, serve_within
from shared.instants import Instant

__all__ = [
    "PROBLEM_JSON",
    "CustomerPath",
    "IdPath",
    "Instant",
    "Language",
    "Page",
    "Paging",
    "Slice",
    "Wording",
    "create_app",
    "problem_response",
    "serve",
    "serve_within",
]
