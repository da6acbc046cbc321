"""Server-sent events as they come (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final, NamedTuple

MEDIA_TYPE: Final = "text/event-stream"
_END: Final = b"\n\n"


class StreamEvent(NamedTuple):
    """One event; `id` is where to go on behind it. The first has nothing else: it says where the stream begins."""

    id: str
    event: str = ""
    data: str = ""


class _Reader:
    """Puts parts together: an event may come in several, several in one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[StreamEvent]:
        """The events that are complete by now; comments are none."""
        *blocks, self._rest = (self._rest + part).split(_END)
        for block in blocks:
            fields = dict(
                _field(line) for line in block.decode().split("\n") if not line.startswith(":")
            )
            if "id" in fields:
                yield StreamEvent(fields["id"], fields.get("event", ""), fields.get("data", ""))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def events(parts: Iterable[bytes]) -> Iterator[StreamEvent]:
    """The events of a body."""
    reader = _Reader()
    for part in parts:
        yield from reader.feed(part)


async def aevents(parts: AsyncIterator[bytes]) -> AsyncIterator[StreamEvent]:
    """The same of an asynchronous body."""
    reader = _Reader()
    async for part in parts:
        for event in reader.feed(part):
            yield event
