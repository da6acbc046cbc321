"""Many who ask for the same at once wait for one who finds it out."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final


class SingleFlight:
    """What is being found out in this process, by key."""

    def __init__(self) -> None:
        self._under_way: Final[dict[Hashable, asyncio.Future[Any]]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, or that of the one under way for this key; what goes wrong is told to all.

        If the one who finds it out is cancelled, somebody else of those who wait begins anew.
        """
        while (flight := self._under_way.get(key)) is not None:
            await asyncio.wait((flight,))
            if not flight.cancelled():
                return flight.result()
        flight = self._under_way[key] = asyncio.get_running_loop().create_future()
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
