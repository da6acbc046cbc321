"""Who is active, and who stays so: customers by phase at both ends of a period.

The phases come from the daily counts of transitions. These cannot tell which advocates have never
ordered; as such advocates are not active, they are looked up one by one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import (
    COUNTED_TRANSITIONS,
    transition_statements,
)
from shared.database.connection import Tx

ACTIVE: Final = (Phase.NEW, Phase.ESTABLISHED, Phase.ADVOCATE, Phase.AT_RISK, Phase.WON_BACK)
"""Advocates only if they have ordered."""
PASSIVE: Final = (Phase.INACTIVE, Phase.FORMER)
_OTHERS: Final = ("", *(phase for phase in Phase if phase not in ACTIVE))

OF_ACCOUNT: Final = "($3::text IS NULL OR account = $3)"
"""A condition on daily counts or on customers; the account is $3."""

_COUNTS: Final = f"""
SELECT from_phase, to_phase,
    coalesce(sum(n) FILTER (WHERE day < $1), 0)::bigint AS at_begin,
    sum(n)::bigint AS at_end
FROM flow WHERE day < $2 AND {OF_ACCOUNT} GROUP BY 1, 2
"""  # noqa: S608  (constants)

_UNBOUGHT: Final = f"""
stay AS (
    SELECT customer, since, occurred_at AS ended FROM transition
    WHERE withdrawn IS NULL AND occurred_at >= $1 AND from_phase = '{Phase.ADVOCATE}' AND since < $2
    UNION ALL
    SELECT customer, since, 'infinity' FROM customer WHERE phase = '{Phase.ADVOCATE}' AND since < $2
),
unbought AS (
    SELECT stay.customer,
        bool_or(stay.since < $1) AS at_begin,
        bool_or(stay.ended >= $2 AND coalesce(c.first_order_at >= $2, true)) AS at_end
    FROM stay JOIN customer AS c USING (customer)
    WHERE coalesce(c.first_order_at >= $1, true) AND {OF_ACCOUNT}
        AND (stay.since < $1 OR stay.ended >= $2)
    GROUP BY 1
)
"""  # noqa: S608  (constants)
_WITHOUT_ORDER: Final = f"""
WITH {_UNBOUGHT}
SELECT count(*) FILTER (WHERE at_begin) AS at_begin,
    count(*) FILTER (WHERE at_end) AS at_end
FROM unbought
"""  # noqa: S608  (constants)
_MOVED: Final = transition_statements(
    f"""
WITH {_UNBOUGHT},
step AS (
    SELECT t.customer,
        (to_phase <> ALL($4::text[]))::int
            - (coalesce(from_phase, '') <> ALL($4::text[]))::int AS active,
        (to_phase = ANY($5::text[]))::int
            - (coalesce(from_phase, '') = ANY($5::text[]))::int AS passive
    FROM transition AS t {COUNTED_TRANSITIONS} AND t.withdrawn IS NULL
        AND t.occurred_at >= $1 AND t.occurred_at < $2
        AND (t.to_phase = ANY($4::text[]) OR coalesce(t.from_phase, '') = ANY($4::text[]))
),
moved AS (
    SELECT customer, sum(active) AS active, sum(passive) AS passive
    FROM step GROUP BY 1 HAVING sum(active) <> 0
),
counted AS (
    SELECT count(*) AS gone, count(*) FILTER (WHERE passive = 1) AS lost
    FROM moved WHERE active = -1
)
SELECT counted.*,
    count(*) FILTER (WHERE u.at_begin) AS at_begin,
    count(*) FILTER (WHERE u.at_end) AS at_end,
    count(*) FILTER (WHERE (u.at_begin OR u.at_end) AND m.active IS NULL) AS stayed,
    count(*) FILTER (WHERE u.at_begin AND m.active = -1 AND m.passive = 1) AS lost_without_order
FROM counted LEFT JOIN unbought AS u ON true LEFT JOIN moved AS m USING (customer)
GROUP BY counted.gone, counted.lost
"""  # noqa: S608  (constants)
)
"""Only steps into or out of a phase that is not active matter; $4 has these, and '' for none."""


class PhaseCount(NamedTuple):
    """Customers by phase at an instant, and how many of the advocates have not ordered by then."""

    phases: Counter[Phase]
    without_order: int

    @property
    def active(self) -> int:
        """Customers in an active phase, but for advocates who have not ordered."""
        return sum(self.phases[phase] for phase in ACTIVE) - self.without_order

    @property
    def passive(self) -> int:
        """Customers who are inactive or former."""
        return sum(self.phases[phase] for phase in PASSIVE)


class ActiveCohort(NamedTuple):
    """Customers active at the beginning; of these, those kept and those lost at the end."""

    active: int
    kept: int
    lost: int


async def phases_at_both_ends(
    tx: Tx, period: Period, account: Account | None
) -> tuple[PhaseCount, PhaseCount]:
    """Customers by phase at the beginning and at the end, after all that happened before."""
    row = await tx.fetchrow(_WITHOUT_ORDER, period.since, period.until, account)
    assert row is not None  # noqa: S101  (an aggregate)
    begin, end = await _phases(tx, period, account)
    return PhaseCount(begin, row["at_begin"]), PhaseCount(end, row["at_end"])


async def active_cohort(tx: Tx, period: Period, account: Account | None) -> ActiveCohort:
    """What becomes of the customers who are active at the beginning."""
    row = await tx.fetchrow(_MOVED[account], period.since, period.until, account, _OTHERS, PASSIVE)
    assert row is not None  # noqa: S101  (an aggregate)
    begin, _ = await _phases(tx, period, account)
    return cohort_of(begin, dict(row))


def cohort_of(begin: Counter[Phase], moved: Mapping[str, int]) -> ActiveCohort:
    """The cohort of customers by phase at the beginning, less advocates who have not ordered."""
    in_phase = sum(begin[phase] for phase in ACTIVE)
    return ActiveCohort(
        active=in_phase - moved["at_begin"],
        kept=in_phase - moved["gone"] - moved["stayed"],
        lost=moved["lost"] - moved["lost_without_order"],
    )


async def prospects(tx: Tx, period: Period, account: Account | None) -> int:
    """Prospects at the beginning."""
    begin, _ = await _phases(tx, period, account)
    return begin[Phase.PROSPECT]


async def _phases(
    tx: Tx, period: Period, account: Account | None
) -> tuple[Counter[Phase], Counter[Phase]]:
    """Customers in each phase at the beginning and at the end."""
    rows = await tx.fetch(_COUNTS, period.begins, period.ends, account)
    begin = in_phases((row["from_phase"], row["to_phase"], row["at_begin"]) for row in rows)
    end = in_phases((row["from_phase"], row["to_phase"], row["at_end"]) for row in rows)
    return begin, end


def in_phases(flows: Iterable[tuple[str, str, int]]) -> Counter[Phase]:
    """Those who have entered each phase less those who have left it.

    A flow is the phase left, empty for customers not yet known, the phase entered, and a number.
    """
    counts = Counter[Phase]()
    for from_phase, to_phase, n in flows:
        counts[Phase(to_phase)] += n
        if from_phase:
            counts[Phase(from_phase)] -= n
    return counts
