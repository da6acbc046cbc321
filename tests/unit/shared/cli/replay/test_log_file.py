"""Files of events, plain and compressed."""

import gzip
import io
from pathlib import Path

import pytest

from shared.cli.replay.log_file import read_lines, writable_log
from shared.errors import Misconfigured

CONTENT = b'{"id":1}\n\n  {"id":2}  \n'
LINES = [(1, b'{"id":1}'), (3, b'{"id":2}')]


@pytest.mark.parametrize("raw", [CONTENT, gzip.compress(CONTENT)], ids=["plain", "gzip"])
def test_blank_lines_count_but_are_left_out(raw: bytes) -> None:
    assert list(read_lines(io.BytesIO(raw))) == LINES


def test_a_compressed_file_that_was_cut_off_is_named_by_its_last_line() -> None:
    cut = gzip.compress(b'{"id":1}\n' * 100_000)[:-50]
    with pytest.raises(Misconfigured, match="cannot be read after line"):
        list(read_lines(io.BytesIO(cut)))


@pytest.mark.parametrize("name", ["log.ndjson", "log.ndjson.gz"])
def test_what_is_written_is_read_again_and_has_the_same_bytes(tmp_path: Path, name: str) -> None:
    files = [tmp_path / folder / name for folder in ("a", "b")]
    for file in files:
        with writable_log(file) as out:
            out.write(CONTENT)
    with files[0].open("rb") as raw:
        assert list(read_lines(raw)) == LINES
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_log_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writable_log(tmp_path / "log.ndjson.gz") as out:
        out.write(CONTENT * (1 // 0))
    assert list(tmp_path.iterdir()) == []
