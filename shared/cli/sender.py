"""Sends a log through ingest's HTTP API: in order, each request acknowledged before the next one goes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.cli.script import Chunk, Tick
from shared.errors import Misconfigured, Retryable
from shared.events.envelope import CLOCK_TICKED
from shared.instants import render

PATIENCE_S: Final = 300.0
SHOWN: Final = 10
_TRY_LATER: Final = frozenset({429, 502, 503, 504})
_growing = wait_exponential(multiplier=0.2, max=5)


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


class _BusyError(Exception):
    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"ingest answered {status}")
        self.retry_after_s = float(retry_after) if retry_after and retry_after.isdecimal() else None


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
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, transport=transport)

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, steps: Iterable[Chunk | Tick]) -> Tally:
        """Send all steps, one request after the other. Raises Retryable if ingest stays away for five minutes."""
        for step in steps:
            if isinstance(step, Tick):
                await self._tick(step)
            else:
                await self._events(step)
            self._progress(self.tally)
        return self.tally

    async def _events(self, chunk: Chunk) -> None:
        receipt = await self._post(b"[" + b",".join(chunk.lines) + b"]")
        self.tally.accepted += int(receipt["accepted"])
        self.tally.rejected += len(receipt["rejected"])
        room = SHOWN - len(self.tally.first_rejections)
        self.tally.first_rejections += [_rejection(chunk, refused) for refused in receipt["rejected"][:room]]

    async def _tick(self, tick: Tick) -> None:
        at = render(tick.at)
        event = {"specversion": "1.0", "id": f"tick-{at}", "source": "/replay", "type": CLOCK_TICKED, "time": at}
        receipt = await self._post(msgspec.json.encode(event))
        if receipt["rejected"]:
            raise Misconfigured(f"ingest refused the tick at {at}: {receipt['rejected'][0]['message']}")

    async def _post(self, body: bytes) -> dict[str, Any]:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((_BusyError, httpx.TransportError)),
            wait=_pause,
            stop=stop_after_delay(PATIENCE_S),
            reraise=True,
        )
        try:
            return await retrying(self._post_once, body)
        except (_BusyError, httpx.TransportError) as error:
            raise Retryable(f"ingest did not take events for {PATIENCE_S:g} s: {error!r}") from error

    async def _post_once(self, body: bytes) -> dict[str, Any]:
        answer = await self._client.post("/v1/events", content=body)
        if answer.status_code in _TRY_LATER:
            raise _BusyError(answer.status_code, answer.headers.get("retry-after"))
        receipt: dict[str, Any] = answer.json() if answer.status_code in (202, 422) else {}
        if "rejected" not in receipt:
            raise Misconfigured(f"ingest answered {answer.status_code}: {answer.text[:500]}")
        return receipt


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _BusyError) and error.retry_after_s is not None:
        return error.retry_after_s
    return _growing(state)


def _rejection(chunk: Chunk, refused: dict[str, Any]) -> Rejection:
    told = {name: str(refused.get(name) or "") for name in ("id", "code", "field", "message")}
    return Rejection(line=chunk.numbers[refused["index"]], **told)
