"""The life of one customer in few words: events by day, folded, and read back as `day rule phase`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import day, encode, event, order

Raw: TypeAlias = dict[str, Any]
C: Final = "ada"


@dataclass(frozen=True)
class Case:
    """A life until a day, the transitions expected of it, and the causes of being at risk at its end."""

    events: list[Raw]
    until: float
    moves: list[str]
    causes: tuple[str, ...] = ()
    policy: Policy = Policy()  # noqa: RUF009  (frozen)

    def check(self) -> None:
        """Does the fold agree?"""
        customer, moves, _ = live(self.events, self.until, self.policy).parts
        assert told(moves) == self.moves
        assert tuple(sorted(customer.causes)) == self.causes


def happenings(events: Iterable[Raw]) -> list[Happening]:
    """The events as lifecycle reads them."""
    found = [read(CUSTOMER_EVENTS, decode(encode(raw))) for raw in events]
    return [happening for happening in found if isinstance(happening, Happening)]


def live(events: Iterable[Raw], until: float | datetime, policy: Policy) -> Folded:
    """The whole life up to and including a day."""
    return fold(
        happenings(events), policy, until=until if isinstance(until, datetime) else day(until)
    )


def told(moves: Iterable[Move]) -> list[str]:
    """Each move as `day rule phase`."""
    return [f"{days(move.occurred_at):.8g} {move.rule} {move.to}" for move in moves]


def days(instant: datetime) -> float:
    """Days since day 0."""
    return (instant - day(0)) / timedelta(days=1)


# -- events ----------------------------------------------------------------------------------------------------------


def does(kind: str, *at: float, **data: Any) -> list[Raw]:
    """Events of any type; an id is made of type and day."""
    return [event(C, kind, each, id=f"{kind} {each:g}", **data) for each in at]


def buys(*at: float, **data: Any) -> list[Raw]:
    """Orders of 10.00 EUR with the order ids o<day>."""
    return [order(C, each, id=f"o{each:g}", **data) for each in at]


def cancels_order(at: float, of: str) -> list[Raw]:
    """An order is cancelled."""
    return does("order.cancelled", at, order_id=of)


def refunds(at: float, of: str, amount: int = 1000, currency: str = "EUR") -> list[Raw]:
    """Money of an order goes back."""
    return does("order.refunded", at, order_id=of, amount={"amount": amount, "currency": currency})


def scores(at: float, kind: str, score: int, *, public: bool = False) -> list[Raw]:
    """Feedback is submitted."""
    made = event(C, "feedback.submitted", at, id=f"{kind} {score} {at:g}")
    made["data"] = {"kind": kind, "score": score, "public": public}
    return [made]


def complains(at: float, severity: int = 2, of: str = "k") -> list[Raw]:
    """A complaint is opened."""
    return does("complaint.opened", at, complaint_id=of, severity=severity)


def answered(at: float, of: str = "k") -> list[Raw]:
    """A complaint is answered."""
    return does("complaint.answered", at, complaint_id=of)


def resolved(at: float, of: str = "k", *, satisfied: bool | None = True) -> list[Raw]:
    """A complaint is resolved."""
    return does("complaint.resolved", at, complaint_id=of, satisfied=satisfied)


def concludes(at: float, months: int = 1, of: str = "v", **data: Any) -> list[Raw]:
    """A contract is concluded; one month from day 0 (1 January) ends on day 31, its grace on day 45."""
    value = {"amount": 999, "currency": "EUR"}
    return does("contract.concluded", at, contract_id=of, term_months=months, value=value, **data)


def renews(at: float, of: str = "v", **data: Any) -> list[Raw]:
    """A contract is renewed."""
    return does("contract.renewed", at, contract_id=of, **data)


def gives_notice(at: float, effective: float | None = None, of: str = "v") -> list[Raw]:
    """A contract is cancelled, at once or for a day to come."""
    later = {} if effective is None else {"effective_at": day(effective).isoformat()}
    return does("contract.cancelled", at, contract_id=of, **later)


def refers(at: float, referee: str = "ben") -> list[Raw]:
    """A recommendation has qualified."""
    return does("referral.succeeded", at, referee=referee)


def annuls(at: float, referee: str = "ben") -> list[Raw]:
    """The evidence of a recommendation has fallen away."""
    return does("referral.annulled", at, referee=referee)


# -- how lives begin -------------------------------------------------------------------------------------------------

NEW: Final = ["0 first_purchase new"]
"""Of buys(0)."""
ESTABLISHED: Final = [*NEW, "2 habit_formed established"]
"""Of buys(0, 1, 2)."""
ADVOCATE: Final = [*ESTABLISHED, "3 recommends advocate"]
"""Of buys(0, 1, 2) and refers(3)."""
SILENT: Final = [*NEW, "90 silence_begins at_risk"]
"""Of buys(0) until day 90."""
INACTIVE: Final = [*SILENT, "180 fell_silent inactive"]
"""Of buys(0) until day 180."""
WON_BACK: Final = [*INACTIVE, "200 returned won_back"]
"""Of buys(0, 200)."""
PROSPECT: Final = ["0 first_contact prospect"]
"""Of a page viewed on day 0."""
FADED: Final = [*PROSPECT, "365 prospect_faded inactive"]
"""Of a page viewed on day 0, until day 365."""
