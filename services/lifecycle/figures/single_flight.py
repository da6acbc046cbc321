"""Lets callers who want the same at the same time share one computation."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final


class SingleFlight:
    """The computations under way in this process, by key."""

    def __init__(self) -> None:
        self._under_way: Final[dict[Hashable, asyncio.Future[Any]]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, or of the one under way for this key; its error is raised to all.

        If the computation is cancelled, one of those who wait for it starts another.
        """
        while (flight := self._under_way.get(key)) is not None:
            await asyncio.wait((flight,))
            if not flight.cancelled():
                return flight.result()
        flight = asyncio.get_running_loop().create_future()
        self._under_way[key] = flight
        try:
            flight.set_result(await work())
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # otherwise asyncio complains where nobody waits
            raise
        finally:
            flight.cancel()  # unless it is done
            del self._under_way[key]
        return flight.result()
