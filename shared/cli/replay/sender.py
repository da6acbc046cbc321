"""Sends a log through ingest's HTTP API: in order, each request acknowledged before the next one goes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import httpx

from shared.cli.replay.plan import Chunk, Tick
from shared.client.generated import ingest
from shared.client.ingest import AsyncIngestClient
from shared.errors import Misconfigured
from shared.instants import render

PATIENCE_S: Final = 300.0
SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that ingest refused, with its place in the log."""

    line: int
    id: str
    code: str
    field: str
    message: str


@dataclass(slots=True)
class Tally:
    """What became of the events sent; ticks are not counted."""

    accepted: int = 0
    rejected: int = 0
    first_rejections: list[Rejection] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.accepted + self.rejected


class Sender:
    """One ingest API; use as an async context manager."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        progress: Callable[[Tally], None] = lambda _: None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.tally = Tally()
        self._progress = progress
        self._client = AsyncIngestClient(url, key, patience_s=PATIENCE_S, transport=transport)

    async def __aenter__(self) -> "Sender":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *how: object) -> None:
        await self._client.__aexit__(*how)

    async def send(self, steps: Iterable[Chunk | Tick]) -> Tally:
        """Send all steps, one request after the other. Raises Unavailable if ingest stays away for five minutes."""
        for step in steps:
            if isinstance(step, Tick):
                await self._tick(step)
            else:
                await self._events(step)
            self._progress(self.tally)
        return self.tally

    async def _events(self, chunk: Chunk) -> None:
        receipt = await self._client.accept_events(b"[" + b",".join(chunk.lines) + b"]")
        self.tally.accepted += receipt["accepted"]
        self.tally.rejected += len(receipt["rejected"])
        room = SHOWN - len(self.tally.first_rejections)
        self.tally.first_rejections += [
            _rejection(chunk, refused) for refused in receipt["rejected"][:room]
        ]

    async def _tick(self, tick: Tick) -> None:
        at = render(tick.at)
        receipt = await self._client.accept_events(
            {
                "specversion": "1.0",
                "id": f"tick-{at}",
                "source": "/replay",
                "type": "clock.ticked",
                "time": at,
            }
        )
        if receipt["rejected"]:
            raise Misconfigured(
                f"ingest refused the tick at {at}: {receipt['rejected'][0]['message']}"
            )


def _rejection(chunk: Chunk, refused: ingest.Rejection) -> Rejection:
    return Rejection(
        line=chunk.numbers[refused["index"]],
        id=refused["id"] or "",
        code=refused["code"],
        field=refused["field"] or "",
        message=refused["message"],
    )
