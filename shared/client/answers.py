"""Answers of a service: what came back, or the error that it means."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from shared.client import errors


@contextmanager
def network_errors(request: httpx.Request) -> Iterator[None]:
    """Turn failures of the network into errors of the client."""
    try:
        yield
    except httpx.RequestError as error:
        raise errors.unanswered(request, error) from error


def read_json(answer: httpx.Response, also: Collection[int]) -> Any:
    """The decoded answer. Raises the error that any other answer means.

    A status of `also` is an answer as well, unless its media type says that it is a problem.
    """
    is_expected = answer.is_success or (
        answer.status_code in also and errors.media_type(answer) == errors.JSON
    )
    if not is_expected:
        raise errors.from_answer(answer)
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError as error:
        raise errors.unexpected_content(answer, errors.JSON) from error


def is_download(answer: httpx.Response) -> bool:
    """Whether an answer is of the media type that was requested."""
    return answer.is_success and errors.media_type(answer) == answer.request.headers["Accept"]


def failed_download(answer: httpx.Response) -> errors.ApiError:
    """The error that an answer without the requested file means."""
    if answer.is_success:
        return errors.unexpected_content(answer, answer.request.headers["Accept"])
    return errors.from_answer(answer)
