"""Errors as `application/problem+json` (RFC 9457), with a stable code and the fields that are wrong."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from shared.database import connection as db
from shared.errors import FieldError, Problem, Retryable

log = structlog.get_logger()

PROBLEM_JSON: Final = "application/problem+json"
PROBLEMS: Final = "x-problems"
"""Where a response keeps its kinds of problems until the document is completed."""
NOT_REPEATABLE: Final[dict[str, Any]] = {"x-repeatable": False}
"""The `openapi_extra` of an operation of which a second request is not the first: clients do not repeat it blindly."""
RETRY_AFTER_S: Final = 1
_CODES: Final[Mapping[int, str]] = {
    400: "unreadable",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}


class WrongField(BaseModel):
    """One thing wrong with one field."""

    field: str = Field(
        description="Its name: a parameter, or a path into the body such as `policy.at_risk_days`."
    )
    message: str = Field(description="What is wrong with it, for people.")


class ProblemBody(BaseModel):
    """What every error looks like (RFC 9457)."""

    type: str = Field(description="Always `about:blank`: `code` says which problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Which problem it is, for programs: stable.")
    detail: str = Field(description="What has happened, for people.")
    errors: list[WrongField] = Field(
        description="What is wrong with which field; empty where no field is to blame."
    )


Responses: TypeAlias = dict[int | str, dict[str, Any]]


class ProblemKind(NamedTuple):
    """A problem that a route may answer, for its document."""

    status: int
    code: str
    meaning: str


REUSED_KEY: Final = ProblemKind(
    422, "idempotency_key_reused", "The Idempotency-Key came with another body before."
)


def problems(
    *kinds: ProblemKind, also: Mapping[int, Mapping[str, Any]] = MappingProxyType({})
) -> Responses:
    """The `responses` of a route: problems besides those that every route may answer, and `also` other answers."""
    found: Responses = {status: dict(response) for status, response in also.items()}
    for kind in kinds:
        found.setdefault(kind.status, {}).setdefault(PROBLEMS, []).append(kind)
    return found


def problem_response(problem: Problem, *, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says this problem."""
    title = HTTPStatus(problem.status).phrase
    body = {
        "type": "about:blank",
        "title": title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "errors": [{"field": e.field, "message": e.message} for e in problem.errors],
    }
    extra = dict(headers or {})
    if problem.retry_after is not None:
        extra["Retry-After"] = str(problem.retry_after)
    if problem.location is not None:
        extra["Location"] = problem.location
    return JSONResponse(body, problem.status, extra, PROBLEM_JSON)


def field_name(loc: Sequence[int | str]) -> str:
    """`("query", "limit")` is `limit`, `("body", "items", 0)` is `items.0`."""
    inside = loc[1:] if loc and loc[0] in {"body", "query", "path", "header", "cookie"} else loc
    return ".".join(map(str, inside)) or "body"


def of_validation(error: RequestValidationError) -> Problem:
    """Broken JSON is unreadable (400), everything else invalid (422) and names its fields."""
    found = error.errors()
    if any(e["type"] == "json_invalid" for e in found):
        return Problem(400, "unreadable", "The body is not JSON.")
    wrong = tuple(FieldError(field_name(e["loc"]), str(e["msg"])) for e in found)
    return Problem(
        422,
        "invalid",
        f"{wrong[0].field}: {wrong[0].message}" if wrong else "invalid",
        errors=wrong,
    )


def of_http(error: HTTPException) -> Problem:
    """A framework's error under the code of its status."""
    return Problem(error.status_code, _CODES.get(error.status_code, "error"), str(error.detail))


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101
    return problem_response(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return problem_response(of_validation(error))


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem_response(of_http(error), headers=error.headers)


async def _on_transient(_: Request, error: Exception) -> Response:
    log.warning("http.unavailable", error=f"{type(error).__name__}: {error}")
    return problem_response(
        Problem(
            503,
            "unavailable",
            "A service behind this one does not answer.",
            retry_after=RETRY_AFTER_S,
        )
    )


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem; what is unexpected is left to the edge."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    for transient in (Retryable, *db.TRANSIENT):
        app.add_exception_handler(transient, _on_transient)
