"""Dead letters: records set aside with a reason, and the brake on a partition full of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog

from shared import metrics
from shared.database.connection import Tx, on_commit
from shared.stream.batch import DeadLetter

log = structlog.get_logger()

WINDOW: Final = 1000
"""Records seen before the share of bad ones counts."""
SHARE: Final = 0.01
IN_A_ROW: Final = 100

_ADD: Final = """
INSERT INTO dead_letter
    (topic, partition, "offset", customer, subject, time, reason, detail, value, recorded_at)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[],
                     $6::timestamptz[], $7::text[], $8::text[], $9::bytea[], $10::timestamptz[])
ON CONFLICT DO NOTHING
"""


class Brake:
    """Counts one partition's bad records: too many in a row, or too large a share, must stop it."""

    def __init__(self) -> None:
        self._seen = 0
        self._bad = 0
        self._in_a_row = 0

    def good(self) -> None:
        """Count a record that could be decoded."""
        self._seen += 1
        self._in_a_row = 0
        if self._seen >= 2 * WINDOW:
            self._seen //= 2
            self._bad //= 2

    def bad(self) -> str | None:
        """Count a record for the dead letters; returns why the partition must stop, if it must."""
        self._seen += 1
        self._bad += 1
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            return f"{self._in_a_row} dead letters in a row"
        if self._seen >= WINDOW and self._bad > SHARE * self._seen:
            return f"{self._bad} dead letters in the last {self._seen} records"
        return None


async def add(tx: Tx, letters: Sequence[DeadLetter]) -> None:
    """Write dead letters in the caller's transaction; those that are already there stay."""
    if not letters:
        return
    await tx.execute(_ADD, *map(list, zip(*letters, strict=True)))
    reasons = [letter.reason for letter in letters]
    on_commit(lambda: _count(reasons))


def _count(reasons: Sequence[str]) -> None:
    by_reason = Counter(reasons)
    for reason, number in by_reason.items():
        metrics.DEAD_LETTERS.labels(reason).inc(number)
    log.warning("dead_letters.added", **by_reason)
