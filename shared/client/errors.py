"""The errors of a call; each class says what the caller should do."""

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
    """A service did not do what it was asked.

    If it is none of the classes below, it is a fault of the service (500) or of a proxy: report it.
    `status` is that of the answer (0 if there was none), `code` the stable name of the problem
    (empty if there is none), `errors` what is wrong with each field, `wait_s` the seconds to wait
    if the service named any, and `received` whether it may have begun with the request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        errors: Sequence[FieldError] = (),
        wait_s: float | None = None,
        received: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = errors
        self.wait_s = wait_s
        self.received = received


class Unavailable(ApiError, Retryable):
    """Nobody answered while the client had patience: try again later, after `wait_s` seconds."""


class Unauthorized(ApiError):
    """The key is missing or wrong: use another one."""


class NotThere(ApiError):
    """It does not exist, or no longer: ask for something else."""


class Refused(ApiError):
    """The service will not do this: change the request, or the state of what it is about."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthorized,
    404: NotThere,
    410: NotThere,
    **dict.fromkeys((408, 429, 502, 503, 504), Unavailable),
}
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class _Problem(msgspec.Struct):
    """What the client reads of a problem."""

    code: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


def unanswered(request: httpx.Request, error: httpx.RequestError) -> ApiError:
    """The error of a request that brought no answer, or one without end such as redirects."""
    place = request.url.copy_with(path="/", query=None)
    if isinstance(error, httpx.TransportError):
        was_received = not isinstance(error, _UNSENT)
        return Unavailable(f"{place} does not answer: {error!r}", received=was_received)
    return ApiError(f"{place} gives no answer that can be read: {error!r}")


def unexpected_content(answer: httpx.Response, expected: str) -> ApiError:
    """The error of a success with another content than expected, as a proxy may answer."""
    actual = media_type(answer) or "no type"
    message = f"{_summary(answer)} with {actual}, and no {expected}: {answer.text[:300]}"
    return ApiError(message, status=answer.status_code)


def from_answer(answer: httpx.Response) -> ApiError:
    """The error that an answer without success means."""
    status = answer.status_code
    problem = _problem(answer)
    is_our_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    error = _BY_STATUS.get(status, ApiError if is_our_fault else Refused)
    return error(
        f"{_summary(answer)} {problem.code}: {problem.detail or answer.text[:300]}",
        status=status,
        code=problem.code,
        errors=problem.errors,
        wait_s=_retry_after(answer),
        received=status != HTTPStatus.TOO_MANY_REQUESTS,
    )


def media_type(answer: httpx.Response) -> str:
    """The media type of an answer, without parameters; empty if it has none."""
    content_type: str = answer.headers.get("content-type", "")
    return content_type.partition(";")[0].strip()


def _summary(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}"


def _problem(answer: httpx.Response) -> _Problem:
    with suppress(msgspec.DecodeError):
        if media_type(answer) == PROBLEM_JSON:
            return msgspec.json.decode(answer.content, type=_Problem)
    return _Problem()


def _retry_after(answer: httpx.Response) -> float | None:
    """The seconds of `Retry-After`, if it has any."""
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None
