"""The errors of the project; each class says what its caller should do."""

from dataclasses import dataclass
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class StammkundeError(Exception):
    """The root of all: its message says what a person can act on."""


class Poison(StammkundeError):
    """This record can never be applied: put it into the dead letters under `reason`, and go on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail.replace("\0", "\ufffd")  # PostgreSQL refuses U+0000 in text


class Retryable(StammkundeError):
    """Nothing was written; the same work may succeed later: roll back, back off, do it again."""


class Fenced(StammkundeError):
    """Another worker owns the partition now: roll back, drop everything in memory, join again."""


class Misconfigured(StammkundeError):
    """The process cannot work with these settings or this data: stop, and show the message."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of a request."""

    field: str
    message: str


class Problem(StammkundeError):
    """An HTTP error (RFC 9457): answer with `status` and the stable `code`.

    `location` is the address to ask instead.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        location: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        self.location = location


def leaves(group: BaseExceptionGroup[E]) -> list[E]:
    """Return the exceptions inside nested groups."""
    found: list[E] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found += leaves(error)
        else:
            found.append(error)
    return found
