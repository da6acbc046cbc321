"""Lines put in the order of their arrival, on disk, so that a log may be larger than memory."""

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
    """Collects lines in any order and gives them back by arrival, then by text; use as a context manager."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._parts: dict[int, list[str]] = {}
        self._held = 0

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
        """Take lines."""
        for arrival, _, json in lines:
            part = arrival // _SPAN
            held = self._parts.get(part)
            if held is None:
                held = self._parts[part] = []
            held.append(f"{arrival:0{_DIGITS}}{json}\n")
            self._held += 1
        if self._held >= _MOST_IN_MEMORY:
            self._write_down()

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Every line with its arrival, without its line feed."""
        for lines in self._parts_in_order():
            for line in lines:
                yield int(line[:_DIGITS]), line[_DIGITS:-1]

    def read_parts(self) -> Iterator[list[bytes]]:
        """Every line with its line feed, many at a time."""
        for lines in self._parts_in_order():
            yield [line[_DIGITS:] for line in lines]

    def _parts_in_order(self) -> Iterator[list[bytes]]:
        self._write_down()
        for part in sorted(self._parts):
            with self._file(part).open("rb") as file:
                lines = file.readlines()
            lines.sort()
            yield lines

    def _write_down(self) -> None:
        for part, lines in self._parts.items():
            if lines:
                with self._file(part).open("ab") as file:
                    file.write("".join(lines).encode())
                lines.clear()
        self._held = 0

    def _file(self, part: int) -> Path:
        return self._folder / str(part)
