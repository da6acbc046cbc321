"""Counts by UTC day and partition, so that figures need not read every transition."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, TypeAlias

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.rows import AccountChange, HintRow
from services.lifecycle.domain import fact_counts
from services.lifecycle.domain.state.phases import Phase
from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Tx
from shared.events.transitions import Transition
from shared.stream.batch import Portion

Flow: TypeAlias = tuple[date, str, str, str, str, int]
"""Current transitions: the day, the phases left and entered, the rule, the account, the partition.

The phase that is left and the account are empty strings where they are not known.
"""

Tally: TypeAlias = tuple[date, str, str, int]
"""Anything else: the day, what is counted, under which name, and the partition.

There are moves to at_risk, named by the kind of their cause; hints, by their name; and, for each
fact, customers of whom it holds, by phase, as the difference from the day before.
"""

_CAUSE: Final = "cause"
_HINT: Final = "hint"
_AT_RISK: Final = Phase.AT_RISK

_ADD_FLOWS: Final = """
INSERT INTO flow AS f (day, from_phase, to_phase, rule, account, partition, n)
SELECT * FROM unnest(
    $1::date[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[]
)
ON CONFLICT (day, from_phase, to_phase, rule, account, partition)
DO UPDATE SET n = f.n + excluded.n
"""
_ADD_TALLIES: Final = """
INSERT INTO tally AS t (day, what, name, partition, n)
SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::int[], $5::bigint[])
ON CONFLICT (day, what, name, partition) DO UPDATE SET n = t.n + excluded.n
"""
_RESTATE: Final = """
INSERT INTO restated AS r (partition, day, at)
SELECT * FROM unnest($1::int[], $2::date[], $3::timestamptz[])
ON CONFLICT (partition, day) DO UPDATE SET number = r.number + 1, at = excluded.at
"""
_MOVE_ACCOUNTS: Final = """
WITH moved AS MATERIALIZED (
    SELECT c.*, t.from_phase, t.to_phase, t.rule, t.occurred_at
    FROM unnest($1::text[], $2::int[], $3::text[], $4::text[])
        AS c(customer, partition, before, after)
    JOIN transition AS t ON t.customer = c.customer AND t.withdrawn IS NULL
),
counted AS (
    INSERT INTO flow AS f (day, from_phase, to_phase, rule, account, partition, n)
    SELECT (occurred_at AT TIME ZONE 'UTC')::date, coalesce(from_phase, ''), to_phase, rule,
        side.account, partition, sum(side.n)
    FROM moved CROSS JOIN LATERAL (VALUES (before, -1), (after, 1)) AS side(account, n)
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (day, from_phase, to_phase, rule, account, partition)
    DO UPDATE SET n = f.n + excluded.n
)
SELECT partition, min(occurred_at) FROM moved GROUP BY 1
"""


class DailyCounts:
    """What one batch adds to the counts, or takes away.

    `restated` has the clock, by partition and day, where a day changes after it was over.
    """

    def __init__(self) -> None:
        self.flows: Counter[Flow] = Counter()
        self.tallies: Counter[Tally] = Counter()
        self.restated: dict[tuple[int, date], datetime] = {}

    def add_transition(
        self, entry: CustomerEntry, transition: Transition, n: int, portion: Portion
    ) -> None:
        """Count a transition that holds now (`n` is 1), or holds no longer (-1)."""
        account = entry.customer.account or ""
        time = transition.occurred_at
        day = time.date()
        left = transition.from_ or ""
        self.flows[day, left, transition.to, transition.rule, account, entry.partition] += n
        if transition.to == _AT_RISK:
            for cause in transition.profile.causes:
                self.tallies[day, _CAUSE, cause.partition(":")[0], entry.partition] += n
        self.restate(time, portion)

    def add_facts(
        self, entry: CustomerEntry, changes: Sequence[fact_counts.FactCountChange], n: int
    ) -> None:
        """Count that facts hold of a customer (`n` is 1), or that they never did (-1)."""
        for at, fact, phase, customers in changes:
            self.tallies[at.date(), fact, phase, entry.partition] += n * customers

    def add_hints(self, given: Iterable[HintRow]) -> None:
        """Count hints that are given for the first time."""
        for hint in given:
            self.tallies[hint.at.date(), _HINT, hint.name, hint.message.partition] += 1

    def restate(self, time: datetime, portion: Portion) -> None:
        """Note that something changes at an instant, if its day was over."""
        if time < portion.day_began:
            self.restated[portion.partition, time.date()] = portion.clock

    async def save(self, tx: Tx) -> None:
        """Add all of it to the tables."""
        await _add(tx, _ADD_FLOWS, self.flows)
        await _add(tx, _ADD_TALLIES, self.tallies)
        rows = [(*day, self.restated[day]) for day in sorted(self.restated)]
        await execute_rows(tx, _RESTATE, rows)


async def _add(tx: Tx, statement: str, counts: Mapping[Flow, int] | Mapping[Tally, int]) -> None:
    """Add to a table in the order of its keys, so that no two workers deadlock."""
    await execute_rows(tx, statement, sorted((*key, n) for key, n in counts.items() if n))


async def move_accounts(tx: Tx, changes: Sequence[AccountChange]) -> list[tuple[int, datetime]]:
    """Count the stored current transitions of these customers under their new accounts.

    Returns, by partition, when the first of these transitions occurred: no figure changes before.
    """
    if not changes:
        return []
    rows = await tx.fetch(_MOVE_ACCOUNTS, *columns_of(changes, 4))
    return [tuple(row) for row in rows]
