"""Sends a log through ingest's HTTP API, in order, one acknowledged request at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import httpx

from shared.cli.replay.plan import Chunk, Tick
from shared.client.ingest import AsyncIngestClient, Rejection
from shared.errors import Misconfigured
from shared.instants import render

PATIENCE_S: Final = 300.0
MOST_REJECTIONS: Final = 10
"""How many rejections are kept to be shown."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line of the log whose event ingest rejected."""

    line: int
    id: str
    code: str
    field: str
    message: str


@dataclass(slots=True)
class Tally:
    """Counts of the events sent, without ticks."""

    accepted: int = 0
    rejected: int = 0
    first_rejections: list[RejectedLine] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.accepted + self.rejected


class Sender:
    """Sends to one ingest API; use as an async context manager."""

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
        """Send all steps, one request after another.

        Raises Unavailable if ingest does not answer for five minutes.
        """
        for step in steps:
            if isinstance(step, Tick):
                await self._send_tick(step)
            else:
                await self._send_events(step)
            self._progress(self.tally)
        return self.tally

    async def _send_events(self, chunk: Chunk) -> None:
        receipt = await self._client.accept_events(b"[" + b",".join(chunk.lines) + b"]")
        self.tally.accepted += receipt["accepted"]
        self.tally.rejected += len(receipt["rejected"])
        room = MOST_REJECTIONS - len(self.tally.first_rejections)
        self.tally.first_rejections += [
            _rejected_line(chunk, rejection) for rejection in receipt["rejected"][:room]
        ]

    async def _send_tick(self, tick: Tick) -> None:
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


def _rejected_line(chunk: Chunk, rejection: Rejection) -> RejectedLine:
    return RejectedLine(
        line=chunk.numbers[rejection["index"]],
        id=rejection["id"] or "",
        code=rejection["code"],
        field=rejection["field"] or "",
        message=rejection["message"],
    )
