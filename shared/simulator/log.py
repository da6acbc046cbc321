"""Sorts the lines of a log by arrival, on disk, so that it may be larger than memory."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from shared.simulator.shop import Line
from shared.simulator.world.calendar import DAY

_SPAN: Final = 30 * DAY
_DIGITS: Final = 10
_MOST_IN_MEMORY: Final = 200_000


class Log:
    """Collects lines and returns them by arrival, then by text; use as a context manager."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._parts: dict[int, list[str]] = {}
        self._in_memory = 0

    def __enter__(self) -> Self:
        self._folder = Path(
            self._resources.enter_context(TemporaryDirectory(prefix="stammkunde-simulation-"))
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._resources.close()

    def add(self, lines: Iterable[Line]) -> None:
        for arrival, _, json in lines:
            part = arrival // _SPAN
            pending = self._parts.get(part)
            if pending is None:
                pending = []
                self._parts[part] = pending
            pending.append(f"{arrival:0{_DIGITS}}{json}\n")
            self._in_memory += 1
        if self._in_memory >= _MOST_IN_MEMORY:
            self._flush()

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Every line with its arrival, without the line feed."""
        for lines in self._parts_in_order():
            for line in lines:
                yield int(line[:_DIGITS]), line[_DIGITS:-1]

    def read_parts(self) -> Iterator[list[bytes]]:
        """Every line with its line feed, many at a time."""
        for lines in self._parts_in_order():
            yield [line[_DIGITS:] for line in lines]

    def _parts_in_order(self) -> Iterator[list[bytes]]:
        self._flush()
        for part in sorted(self._parts):
            with self._file(part).open("rb") as file:
                lines = file.readlines()
            lines.sort()
            yield lines

    def _flush(self) -> None:
        for part, lines in self._parts.items():
            if lines:
                with self._file(part).open("ab") as file:
                    file.write("".join(lines).encode())
                lines.clear()
        self._in_memory = 0

    def _file(self, part: int) -> Path:
        return self._folder / str(part)
