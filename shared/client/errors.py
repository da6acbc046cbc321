"""What can come of a call that brings no answer; each class says what its caller should do."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

from shared.errors import FieldError, Retryable, StammkundeError

PROBLEM_JSON: Final = "application/problem+json"


class ApiError(StammkundeError):
    """A service did not do what it was asked; of no class below, it is a fault of the service (500): report it.

    `status` is that of its answer (0: there was none), `code` the stable name of the problem (empty: it said none),
    `errors` what is wrong with which field.
    """

    def __init__(
        self,
        said: str,
        *,
        status: int = 0,
        code: str = "",
        errors: Sequence[FieldError] = (),
        wait_s: float | None = None,
    ) -> None:
        super().__init__(said)
        self.status = status
        self.code = code
        self.errors = errors
        self.wait_s = wait_s


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


def no_answer(request: httpx.Request, error: httpx.TransportError) -> Unavailable:
    """The service could not be reached, or fell silent."""
    return Unavailable(f"{request.url.copy_with(path='/', query=None)} does not answer: {error!r}")


def of_answer(answer: httpx.Response) -> ApiError:
    """What an answer means that is not the one asked for."""
    status, problem = answer.status_code, _problem(answer)
    code, detail = str(problem.get("code", "")), str(problem.get("detail", ""))
    said = f"{answer.request.method} {answer.request.url.path} answered {status} {code}: {detail or answer.text[:300]}"
    error = _BY_STATUS.get(status, ApiError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused)
    wrong = tuple(FieldError(e["field"], e["message"]) for e in problem.get("errors", ()))
    return error(said, status=status, code=code, errors=wrong, wait_s=_seconds(answer))


def _problem(answer: httpx.Response) -> dict[str, Any]:
    if answer.headers.get("content-type") != PROBLEM_JSON:
        return {}
    found: dict[str, Any] = msgspec.json.decode(answer.content)
    return found


def _seconds(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else None
