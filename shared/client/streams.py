"""Server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final, NamedTuple

MEDIA_TYPE: Final = "text/event-stream"
_END: Final = b"\n\n"


class StreamEvent(NamedTuple):
    """One event; continue after its `id`. The first has only an id: where the stream begins."""

    id: str
    event: str = ""
    data: str = ""


class _EventReader:
    """Finds events in the parts of a body, of whatever length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[StreamEvent]:
        """The events that this part completes, without comments."""
        *blocks, self._rest = (self._rest + part).split(_END)
        for block in blocks:
            lines = block.decode().split("\n")
            fields = dict(_field(line) for line in lines if not line.startswith(":"))
            if "id" in fields:
                yield StreamEvent(fields["id"], fields.get("event", ""), fields.get("data", ""))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def events(parts: Iterable[bytes]) -> Iterator[StreamEvent]:
    """The events of a body."""
    reader = _EventReader()
    for part in parts:
        yield from reader.feed(part)


async def aevents(parts: AsyncIterator[bytes]) -> AsyncIterator[StreamEvent]:
    """The events of an asynchronous body."""
    reader = _EventReader()
    async for part in parts:
        for event in reader.feed(part):
            yield event
