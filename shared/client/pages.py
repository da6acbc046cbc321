"""Lists from their first page to their last, and changes without end.

`for case in every(api.list_cases, state="won_back")` · `for page in follow(api, after="now")`
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Generic, ParamSpec, TypedDict, TypeVar

from shared.client.generated.lifecycle import AsyncLifecycleClient, ChangePage, LifecycleClient

WAIT_S: Final = 30.0
P = ParamSpec("P")
T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    """What all pages have in common."""

    items: list[T]
    next_cursor: str | None


def every(fetch: Callable[P, Page[T]], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
    """The items of all pages, one after the other; `fetch` is the method of a client that gives one."""
    while True:
        page = fetch(*args, **kwargs)
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        kwargs["cursor"] = page["next_cursor"]


async def aevery(
    fetch: Callable[P, Awaitable[Page[T]]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[T]:
    """The same of an asynchronous client."""
    while True:
        page = await fetch(*args, **kwargs)
        for item in page["items"]:
            yield item
        if page["next_cursor"] is None:
            return
        kwargs["cursor"] = page["next_cursor"]


def follow(
    api: LifecycleClient, after: str | None = None, *, limit: int | None = None
) -> Iterator[ChangePage]:
    """Published changes page by page, for ever, without a gap: the first page at once, even if it is empty, then each
    as soon as there is one.

    Keep `next` of the last page that was worked off, and begin there the next time. Raises Unavailable once the
    patience of the client has ended; `patience_s=math.inf` never does.
    """
    wait_s: float | None = None
    while True:
        page = api.list_changes(after=after, limit=limit, wait_s=wait_s)
        if page["items"] or wait_s is None:
            yield page
        after, wait_s = page["next"], WAIT_S


async def afollow(
    api: AsyncLifecycleClient, after: str | None = None, *, limit: int | None = None
) -> AsyncGenerator[ChangePage, None]:
    """The same of an asynchronous client."""
    wait_s: float | None = None
    while True:
        page = await api.list_changes(after=after, limit=limit, wait_s=wait_s)
        if page["items"] or wait_s is None:
            yield page
        after, wait_s = page["next"], WAIT_S
