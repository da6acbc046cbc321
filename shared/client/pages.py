"""Lists, page by page, and changes as they are published.

`for case in every(api.list_cases, state="won_back")` · `for page in follow(api, after="now")`
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Generic, ParamSpec, TypedDict, TypeVar

from shared.client.generated.lifecycle import AsyncLifecycleClient, ChangePage, LifecycleClient

WAIT_S: Final = 30.0
"""How long the service may wait for changes before it answers."""
P = ParamSpec("P")
T = TypeVar("T")


class ListPage(TypedDict, Generic[T]):
    """What the pages of all lists have in common."""

    items: list[T]
    next_cursor: str | None


def every(fetch: Callable[P, ListPage[T]], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
    """The items of all pages; `fetch` is the client's method that returns a page."""
    while True:
        page = fetch(*args, **kwargs)
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        kwargs["cursor"] = page["next_cursor"]


async def aevery(
    fetch: Callable[P, Awaitable[ListPage[T]]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[T]:
    """The same with an asynchronous client."""
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
    """Published changes, page by page, for ever and without a gap.

    The first page comes at once, even if it is empty, the others as soon as there is something.
    Keep `next` of the last page that you have processed, and begin there the next time. Raises
    Unavailable when the client's patience ends, which `patience_s=math.inf` never does.
    """
    wait_s: float | None = None
    while True:
        page = api.list_changes(after=after, limit=limit, wait_s=wait_s)
        if page["items"] or wait_s is None:
            yield page
        after = page["next"]
        wait_s = WAIT_S


async def afollow(
    api: AsyncLifecycleClient, after: str | None = None, *, limit: int | None = None
) -> AsyncGenerator[ChangePage, None]:
    """The same with an asynchronous client."""
    wait_s: float | None = None
    while True:
        page = await api.list_changes(after=after, limit=limit, wait_s=wait_s)
        if page["items"] or wait_s is None:
            yield page
        after = page["next"]
        wait_s = WAIT_S
