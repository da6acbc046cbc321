"""The HTTP contract of all services: one factory, one shape of errors, lists, instants and ids."""

from shared.http.app import create_app
from shared.http.etag import Unless
from shared.http.language import Language, Wording
from shared.http.parameters import (
    CustomerPath,
    IdempotencyKey,
    IdPath,
    Page,
    Paging,
    Requested,
    Slice,
)
from shared.http.problems import ONCE, PROBLEM_JSON, REUSED_KEY, Kind, problem_response, problems
from shared.http.server import serve, serve_within
from shared.instants import Instant

__all__ = [
    "ONCE",
    "PROBLEM_JSON",
    "REUSED_KEY",
    "CustomerPath",
    "IdPath",
    "IdempotencyKey",
    "Instant",
    "Kind",
    "Language",
    "Page",
    "Paging",
    "Requested",
    "Slice",
    "Unless",
    "Wording",
    "create_app",
    "problem_response",
    "problems",
    "serve",
    "serve_within",
]
