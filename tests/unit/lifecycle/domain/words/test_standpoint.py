"""How instants are written where the future is described."""

from services.lifecycle.domain.words.standpoint import format_instant
from tests.support.builders import day


def test_instants_are_written_to_the_minute_unless_they_are_finer() -> None:
    assert format_instant(day(0)) == "2024-01-01T12:00Z"
    assert format_instant(day(1 / 86400)) == "2024-01-01T12:00:01Z"
