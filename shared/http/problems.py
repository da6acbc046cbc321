"""Errors as `application/problem+json` (RFC 9457), with a stable code and the wrong fields."""

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

from shared.database.connection import TRANSIENT
from shared.error_texts import describe
from shared.errors import FieldError, Problem, Retryable

log = structlog.get_logger()

PROBLEM_JSON: Final = "application/problem+json"
PROBLEMS: Final = "x-problems"
"""Where a response keeps its problem kinds until the document is completed."""
NOT_REPEATABLE: Final[dict[str, Any]] = {"x-repeatable": False}
"""The `openapi_extra` of an operation that clients must not repeat blindly: a second request would
do it a second time."""
RETRY_AFTER_S: Final = 1
_NO_OBJECT: Final = "must be a JSON object, sent with Content-Type: application/json"
"""The framework reads no other body as JSON, and says that it is no dictionary."""
Responses: TypeAlias = dict[int | str, dict[str, Any]]
_CODES: Final[Mapping[int, str]] = {
    400: "unreadable",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}


class WrongField(BaseModel):
    """One thing wrong with one field."""

    field: str = Field(
        description="A parameter, or a path into the body such as `policy.at_risk_days`."
    )
    message: str = Field(description="What is wrong with it, for people.")


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Always `about:blank`; see `code`.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="A stable name of the problem, for programs.")
    detail: str = Field(description="What happened, for people.")
    errors: list[WrongField] = Field(
        description="What is wrong with each field; empty if no field is to blame."
    )


class RefusedBody(HTTPException):
    """A problem while a body is read; the framework turns any other error there into 400."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


class ProblemKind(NamedTuple):
    """A problem that a route may answer, as its document describes it."""

    status: int
    code: str
    meaning: str


REUSED_KEY: Final = ProblemKind(
    422, "idempotency_key_reused", "This Idempotency-Key was used before with another body."
)


def problems(
    *kinds: ProblemKind, also: Mapping[int, Mapping[str, Any]] = MappingProxyType({})
) -> Responses:
    """The `responses` of a route: its own problems, and `also` answers that are no problems.

    Problems that every route may answer are added later.
    """
    responses: Responses = {status: dict(response) for status, response in also.items()}
    for kind in kinds:
        responses.setdefault(kind.status, {}).setdefault(PROBLEMS, []).append(kind)
    return responses


def problem_response(problem: Problem, *, headers: Mapping[str, str] | None = None) -> Response:
    """The HTTP answer of a problem."""
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
        extra["Cache-Control"] = "no-store"
    return JSONResponse(body, problem.status, extra, PROBLEM_JSON)


def field_name(loc: Sequence[int | str]) -> str:
    """The name of a place: `limit` for `("query", "limit")`, `items.0` for a part of the body."""
    inside = loc[1:] if loc and loc[0] in {"body", "query", "path", "header", "cookie"} else loc
    return ".".join(map(str, inside)) or "body"


def validation_problem(error: RequestValidationError) -> Problem:
    """The problem of a wrong request: 400 for broken JSON, otherwise 422 with its fields."""
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        return Problem(400, "unreadable", "The body is not JSON.")
    errors = tuple(FieldError(field_name(each["loc"]), _message(each)) for each in details)
    summary = f"{errors[0].field}: {errors[0].message}" if errors else "invalid"
    return Problem(422, "invalid", summary, errors=errors)


def _message(detail: Mapping[str, Any]) -> str:
    if detail["loc"] == ("body",) and detail["type"] == "model_attributes_type":
        return _NO_OBJECT
    return str(detail["msg"])


def http_problem(error: HTTPException) -> Problem:
    """The problem of a framework's error, with the code of its status."""
    return Problem(error.status_code, _CODES.get(error.status_code, "error"), str(error.detail))


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101
    return problem_response(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return problem_response(validation_problem(error))


async def _on_refused_body(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedBody)  # noqa: S101
    # What is left of the body is not waited for.
    return problem_response(error.problem, headers={"Connection": "close"})


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem_response(http_problem(error), headers=error.headers)


async def _on_transient(_: Request, error: Exception) -> Response:
    log.warning("http.unavailable", error=describe(error))
    return problem_response(
        Problem(
            503,
            "unavailable",
            "A service behind this one does not answer.",
            retry_after=RETRY_AFTER_S,
        )
    )


def install_problems(app: FastAPI) -> None:
    """Answer the expected errors with a problem; the middleware answers the others."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(RefusedBody, _on_refused_body)
    app.add_exception_handler(HTTPException, _on_http)
    for transient in (Retryable, *TRANSIENT):
        app.add_exception_handler(transient, _on_transient)
