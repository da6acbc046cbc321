"""The envelope: a record that SQL could not read again is refused before it is stored."""

import pytest

from shared.errors import Poison
from shared.events.envelope import decode
from tests.support.builders import encode, event

COMPLAINT = encode(event("ada", "complaint.opened", 0, complaint_id="k", topic="Größe 😀"))


def test_text_in_any_script_comes_through() -> None:
    assert "Größe 😀".encode() in bytes(decode(COMPLAINT).data)


@pytest.mark.parametrize(
    "wrong", [b"\xff", "ß".encode("latin-1"), b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
)
def test_bytes_that_are_no_utf_8_are_refused_even_where_nobody_reads(wrong: bytes) -> None:
    with pytest.raises(Poison) as poison:
        decode(COMPLAINT.replace("ß".encode(), wrong))
    assert poison.value.reason == "undecodable"
