"""Answers that are sent only if they have changed: `ETag` and `If-None-Match`."""

from hashlib import blake2b
from typing import Annotated, Final, TypeVar

from fastapi import Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel

V = TypeVar("V", bound=BaseModel)

_CLOCK_FIELDS: Final = {"as_of", "known_at"}
"""Left out of the tag, because they move with the clock. Where the client chooses them, they are
part of the address."""


class _NotModified(Exception):
    """Ends a request with 304 and the headers that its answer would have had."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__()
        self.headers = headers


class ConditionalRequest:
    """A request whose client may already have the answer."""

    def __init__(self, tags: str, response: Response) -> None:
        self._tags = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        self._response = response

    def answer(self, answer: V) -> V:
        """Tag the answer and return it, or end the request with 304 if the client has it."""
        content = answer.model_dump_json(by_alias=True, exclude=_CLOCK_FIELDS)
        digest = blake2b(content.encode(), digest_size=12)
        tag = f'"{digest.hexdigest()}"'
        self._response.headers["ETag"] = f"W/{tag}"
        if self._tags & {tag, "*"}:
            raise _NotModified(dict(self._response.headers))
        return answer


async def _conditional_request(
    response: Response,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="`ETag` of the answer you have. If it still holds: 304 without a body.",
            examples=['W/"5f1d0c2ab3e4d5c6b7a89f01"'],
        ),
    ] = None,
) -> ConditionalRequest:
    return ConditionalRequest(if_none_match or "", response)


Conditional = Annotated[ConditionalRequest, Depends(_conditional_request)]
"""Declares that a route answers 304 if nothing has changed: `return conditional.answer(answer)`."""


async def _on_not_modified(_: Request, error: Exception) -> Response:
    assert isinstance(error, _NotModified)  # noqa: S101
    return Response(status_code=304, headers=error.headers)


def install_not_modified(app: FastAPI) -> None:
    """Answer 304 where a route finds that nothing has changed."""
    app.add_exception_handler(_NotModified, _on_not_modified)
