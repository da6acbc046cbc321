"""What can come of a call that brings no answer; each class says what its caller should do."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import httpx
import msgspec

from shared.errors import FieldError, Retryable, StammkundeError

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"


class ApiError(StammkundeError):
    """A service did not do what it was asked; of no class below, it is a fault of the service (500), or of somebody in
    between who answers in its place: report it.

    `status` is that of its answer (0: there was none), `code` the stable name of the problem (empty: it said none),
    `errors` what is wrong with which field, `received` whether the service may have begun with the request.
    """

    def __init__(
        self,
        said: str,
        *,
        status: int = 0,
        code: str = "",
        errors: Sequence[FieldError] = (),
        wait_s: float | None = None,
        received: bool = True,
    ) -> None:
        super().__init__(said)
        self.status = status
        self.code = code
        self.errors = errors
        self.wait_s = wait_s
        self.received = received


class Unavailable(ApiError, Retryable):
    """Nobody could answer, for as long as the client had patience: the same may succeed later, in `wait_s` seconds."""


class Unauthorized(ApiError):
    """Use another key."""


class NotThere(ApiError):
    """What was asked for does not exist, or no longer: ask for something else."""


class Refused(ApiError):
    """As things stand this will not be done: change the request, or what it is about."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthorized,
    404: NotThere,
    410: NotThere,
    **dict.fromkeys((408, 429, 502, 503, 504), Unavailable),
}


_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class _Problem(msgspec.Struct):
    """What is read of a problem; of one that nobody can read, nothing."""

    code: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


def no_answer(request: httpx.Request, error: httpx.RequestError) -> ApiError:
    """The service could not be reached, or fell silent; or what came was no answer (redirects without end)."""
    where = request.url.copy_with(path="/", query=None)
    if isinstance(error, httpx.TransportError):
        return Unavailable(
            f"{where} does not answer: {error!r}", received=not isinstance(error, _UNSENT)
        )
    return ApiError(f"{where} gives no answer that can be read: {error!r}")


def not_asked_for(answer: httpx.Response, wanted: str) -> ApiError:
    """Success, said by something else than the service."""
    said = f"{_told(answer)} with {media_type(answer) or 'no type'}, and no {wanted}: {answer.text[:300]}"
    return ApiError(said, status=answer.status_code)


def of_answer(answer: httpx.Response) -> ApiError:
    """What an answer means that is not the one asked for."""
    status, problem = answer.status_code, _problem(answer)
    said = f"{_told(answer)} {problem.code}: {problem.detail or answer.text[:300]}"
    error = _BY_STATUS.get(
        status, ApiError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused
    )
    return error(
        said,
        status=status,
        code=problem.code,
        errors=problem.errors,
        wait_s=_seconds(answer),
        received=status != HTTPStatus.TOO_MANY_REQUESTS,
    )


def media_type(answer: httpx.Response) -> str:
    """Without its parameters."""
    told: str = answer.headers.get("content-type", "")
    return told.partition(";")[0].strip()


def _told(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}"


def _problem(answer: httpx.Response) -> _Problem:
    with suppress(msgspec.DecodeError):
        if media_type(answer) == PROBLEM_JSON:
            return msgspec.json.decode(answer.content, type=_Problem)
    return _Problem()


def _seconds(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else None
