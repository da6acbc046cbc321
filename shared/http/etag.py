"""Answers that are sent again only if they have changed: `ETag` and `If-None-Match`."""

from hashlib import blake2b
from typing import Annotated, Final, TypeVar

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel

V = TypeVar("V", bound=BaseModel)

_CLOCKS: Final = {"as_of", "known_at"}
"""They move with the clock; where the client has chosen them, another one has another address."""
_SEPARATE: Final = ","


class _NotModified(Exception):
    """The client has this answer: say so, with the headers that it would have had."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__()
        self.headers = headers


class ConditionalRequest:
    """What the client of a request knows already."""

    def __init__(self, tags: str, response: Response) -> None:
        self._tags = {tag.strip().removeprefix("W/") for tag in tags.split(_SEPARATE)}
        self._response = response

    def answer(self, answer: V) -> V:
        """The answer, with its tag in the headers; if the client has it already, the request ends here with 304."""
        digest = blake2b(
            answer.model_dump_json(by_alias=True, exclude=_CLOCKS).encode(), digest_size=12
        )
        tag = f'"{digest.hexdigest()}"'
        self._response.headers["ETag"] = f"W/{tag}"
        if self._tags & {tag, "*"}:
            raise _NotModified(dict(self._response.headers))
        return answer


async def _known(
    response: Response,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="`ETag` of the answer that you have; if it is still true, 304 without a body.",
            examples=['W/"5f1d0c2ab3e4d5c6b7a89f01"'],
        ),
    ] = None,
) -> ConditionalRequest:
    return ConditionalRequest(if_none_match or "", response)


Conditional = Annotated[ConditionalRequest, Depends(_known)]
"""Declares that a route answers 304 to who has the answer: `return conditional.answer(answer)`."""


async def _on_not_modified(_: Request, error: Exception) -> Response:
    assert isinstance(error, _NotModified)  # noqa: S101
    return Response(status_code=304, headers=error.headers)


def install(app: FastAPI) -> None:
    """Let routes say that nothing has changed."""
    app.add_exception_handler(_NotModified, _on_not_modified)
