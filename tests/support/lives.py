"""The life of one customer: its events folded, and read back as `day rule phase`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import day, encode
from tests.support.customer_events import RawEvent, does
from tests.support.plain.plain_fold import plain_fold
from tests.support.plain.plain_life import PlainLife
from tests.support.plain.plain_policies import PlainActivation
from tests.support.purchase_events import buys

BUILT_IN: Final = Policy()


@dataclass(frozen=True)
class Case:
    """A life until a day, the transitions expected of it, and the causes of risk at its end."""

    events: list[RawEvent]
    until: float
    moves: list[str]
    causes: tuple[str, ...] = ()
    policy: Policy = BUILT_IN

    def check(self) -> None:
        """Compare with the fold, and with the plain one that was written from the rules alone."""
        customer, moves, _ = live(self.events, self.until, self.policy).parts
        assert describe(moves) == self.moves
        assert tuple(sorted(customer.causes)) == self.causes
        plain = live_plainly(self.events, self.until, self.policy)
        assert describe_plain(plain) == self.moves
        assert tuple(sorted(plain.causes)) == self.causes


def happenings(events: Iterable[RawEvent]) -> list[Happening]:
    """Return the events as lifecycle reads them."""
    read_events = [read(CUSTOMER_EVENTS, decode(encode(raw))) for raw in events]
    return [happening for happening in read_events if isinstance(happening, Happening)]


def live(events: Iterable[RawEvent], until: float | datetime, policy: Policy) -> Folded:
    """Fold the whole life up to and including a day."""
    end = until if isinstance(until, datetime) else day(until)
    return fold(happenings(events), policy, until=end)


def live_plainly(events: Iterable[RawEvent], until: float, policy: Policy) -> PlainLife:
    """Fold the whole life by the plain fold."""
    return plain_fold(events, [PlainActivation(day(0), policy)], day(until))


def describe_plain(life: PlainLife) -> list[str]:
    """Return each move of the plain fold as `day rule phase`."""
    return [f"{day_number(move.at):.8g} {move.rule} {move.to}" for move in life.moves]


def describe(moves: Iterable[Move]) -> list[str]:
    """Return each move as `day rule phase`."""
    return [f"{day_number(move.occurred_at):.8g} {move.rule} {move.to}" for move in moves]


def day_number(instant: datetime) -> float:
    """Return the days since day 0."""
    return (instant - day(0)) / timedelta(days=1)


# -- how lives begin -------------------------------------------------------------------------------

VIEWED: Final = does("page.viewed", 0)
THRICE: Final = buys(0, 1, 2)

NEW: Final = ["0 first_purchase new"]
"""Of buys(0)."""
ESTABLISHED: Final = [*NEW, "2 habit_formed established"]
"""Of THRICE."""
ADVOCATE: Final = [*ESTABLISHED, "3 recommends advocate"]
"""Of THRICE and refers(3)."""
SILENT: Final = [*NEW, "90 silence_begins at_risk"]
"""Of buys(0) until day 90."""
INACTIVE: Final = [*SILENT, "180 fell_silent inactive"]
"""Of buys(0) until day 180."""
WON_BACK: Final = [*INACTIVE, "200 returned won_back"]
"""Of buys(0, 200)."""
PROSPECT: Final = ["0 first_contact prospect"]
"""Of VIEWED."""
FADED: Final = [*PROSPECT, "365 prospect_faded inactive"]
"""Of VIEWED until day 365."""
