"""The HTTP contract that all services share: errors, lists, instants and ids."""

from shared.http.answers import Requested
from shared.http.app import create_app
from shared.http.etag import Conditional
from shared.http.language import LabelLanguage, Language
from shared.http.merges import MERGED, MERGED_WRITE, merged
from shared.http.pages import Page, Paging, Slice
from shared.http.parameters import (
    CustomerPath,
    IdempotencyKey,
    IdPath,
)
from shared.http.problems import (
    NOT_REPEATABLE,
    PROBLEM_JSON,
    REUSED_KEY,
    ProblemKind,
    problem_response,
    problems,
)
from shared.http.server import serve, serve_within
from shared.instants import Instant

__all__ = [
    "MERGED",
    "MERGED_WRITE",
    "NOT_REPEATABLE",
    "PROBLEM_JSON",
    "REUSED_KEY",
    "Conditional",
    "CustomerPath",
    "IdPath",
    "IdempotencyKey",
    "Instant",
    "LabelLanguage",
    "Language",
    "Page",
    "Paging",
    "ProblemKind",
    "Requested",
    "Slice",
    "create_app",
    "merged",
    "problem_response",
    "problems",
    "serve",
    "serve_within",
]
