"""Files of events, one JSON object a line, plain or compressed."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from shared.cli.files import complete_file
from shared.errors import Misconfigured

GZIP_SUFFIX: Final = ".gz"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_COMPRESSION_LEVEL: Final = 3


def read_lines(raw: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1.

    Raises Misconfigured where a compressed file is damaged.
    """
    is_gzip = raw.read(2) == _GZIP_MAGIC
    raw.seek(0)
    source = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
    number = 0
    try:
        for number, line in enumerate(source, start=1):
            if stripped := line.strip():
                yield number, stripped
    except (OSError, EOFError) as error:
        raise Misconfigured(f"the file cannot be read after line {number}: {error}") from error


@contextmanager
def writable_log(file: Path) -> Iterator[BinaryIO]:
    """A file that is kept only if it is complete, compressed if its name ends in .gz.

    The same content always gives the same bytes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        out: BinaryIO = opened.enter_context(complete_file(file))
        if file.suffix == GZIP_SUFFIX:
            packed = gzip.GzipFile(
                filename="", mode="wb", compresslevel=_COMPRESSION_LEVEL, fileobj=out, mtime=0
            )
            out = cast("BinaryIO", opened.enter_context(packed))
        yield out
