"""Random lives of one customer with events of every type, and a small worker that folds them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from services.lifecycle.domain.edition import unknown_customer
from services.lifecycle.domain.fold import Folded, apply_schedule, fold, fold_on, pass_time
from services.lifecycle.domain.hints import Hint
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Policies
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import EVENT_KINDS
from shared.orders.index import OrdersIncompleteError
from tests.support.builders import day, event
from tests.support.customer_events import CUSTOMER, RawEvent
from tests.support.lives import happenings

POLICY: Final = Policy(
    notice_days=3,
    at_risk_days=20,
    inactive_days=40,
    former_after_inactive_days=60,
    prospect_days=50,
    advocate_days=70,
    complaint_overdue_hours=240,
    contact_days=30,
    revenue_decline_share=0.5,
    renewal_grace_days=10,
    survey_days=10,
    onboarding_days=20,
    renewal_notice_days=20,
    incentive_days=30,
    answer_hours=120,
)
"""Everything is in steps of ten days, as are most events, so that instants coincide."""
LENGTH: Final = 240
END: Final = day(LENGTH + 400)

# -- lives -----------------------------------------------------------------------------------------

FEW: Final = st.sampled_from(("a", "b", "c"))
AT: Final = st.one_of(
    st.integers(0, LENGTH // 10).map(lambda n: n * 10.0),
    st.integers(0, LENGTH // 5).map(lambda n: n * 5.0),
    st.floats(0, LENGTH, allow_nan=False).map(lambda n: round(n, 2)),
)
MONEY: Final = st.fixed_dictionaries(
    {
        "amount": st.sampled_from((0, 100, 300, 1000, 5000)),
        "currency": st.sampled_from(("EUR", "EUR", "USD")),
    }
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def always(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


INSTANT: Final = AT.map(lambda at: day(at).isoformat())
ACCOUNT: Final = st.sampled_from(("b2c", "b2b"))
TERM: Final = st.integers(1, 3)
SCORE: Final = st.one_of(
    always(kind=st.just("nps"), score=st.integers(0, 10)),
    always(kind=st.sampled_from(("csat", "review")), score=st.integers(1, 5), public=st.booleans()),
)
STORE: Final = st.sampled_from(("/shop0", "/at"))
SELDOM: Final = st.sampled_from((None, None, None, None, "0"))
SEVERAL: Final = st.sampled_from("abcdefgh")
ORDER_ID: Final = always(order_id=SEVERAL)
CONTRACT_ID: Final = always(contract_id=FEW)
COMPLAINT_ID: Final = always(complaint_id=FEW)


def both(
    one: st.SearchStrategy[RawEvent], other: st.SearchStrategy[RawEvent]
) -> st.SearchStrategy[RawEvent]:
    return st.builds(lambda a, b: {**a, **b}, one, other)


DATA: Final[dict[str, st.SearchStrategy[RawEvent]]] = {
    "order.completed": both(
        always(order_id=SEVERAL, total=MONEY),
        maybe(margin=MONEY, store=STORE, replacement_of=SELDOM, test=SELDOM.map(bool)),
    ),
    "order.updated": both(ORDER_ID, maybe(total=MONEY, margin=MONEY, store=STORE)),
    "order.refunded": both(ORDER_ID, maybe(amount=MONEY, refund_id=FEW, store=STORE)),
    "order.refund_withdrawn": st.one_of(
        always(order_id=SEVERAL, refund_id=FEW), always(order_id=SEVERAL, amount=MONEY)
    ),
    "order.cancelled": both(ORDER_ID, maybe(store=STORE)),
    "contract.concluded": both(always(contract_id=FEW, term_months=TERM), maybe(renews_at=INSTANT)),
    "contract.renewed": both(CONTRACT_ID, maybe(term_months=TERM)),
    "contract.cancelled": both(CONTRACT_ID, maybe(effective_at=INSTANT)),
    "feedback.submitted": SCORE,
    "complaint.opened": both(COMPLAINT_ID, maybe(severity=st.integers(1, 3))),
    "complaint.answered": COMPLAINT_ID,
    "complaint.resolved": both(COMPLAINT_ID, maybe(satisfied=st.booleans())),
    "referral.succeeded": always(referee=FEW),
    "referral.annulled": always(referee=FEW),
    "customer.signed_up": maybe(account=ACCOUNT),
    "customer.updated": maybe(account=ACCOUNT),
    "customer.merged": always(into=st.just("eve")),
}
"""What the types say that a rule looks at; the others say nothing."""
OFTEN: Final = ("order.completed",) * 20 + (
    "order.cancelled",
    "order.refunded",
    "order.updated",
    "order.refund_withdrawn",
    "feedback.submitted",
    "contract.concluded",
    "contract.cancelled",
) * 3
TYPE: Final = st.sampled_from((*EVENT_KINDS, *DATA, *OFTEN))


def to_event(number: int, kind: str, at: float, data: RawEvent, *, historical: bool) -> RawEvent:
    made = event(CUSTOMER, kind, at, id=f"{number * 7 % 25:02}")
    return {**made, "source": f"/shop{number % 2}", "data": data, "historical": historical}


@st.composite
def lives(draw: st.DrawFn) -> list[Happening]:
    """Events of one customer, of every type, in any order."""
    raw = list[RawEvent]()
    for number in range(draw(st.integers(0, 24))):
        kind = draw(TYPE)
        data = draw(DATA[kind]) if kind in DATA else {}
        raw.append(to_event(number, kind, draw(AT), data, historical=draw(st.integers(0, 9)) == 0))
    return happenings(raw)


TICKS: Final = st.lists(AT, max_size=4)
RANDOM: Final = st.randoms(use_true_random=False)


def sampled(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


# -- the small worker ------------------------------------------------------------------------------


class Worker:
    """Folds what arrives as the service does.

    Onward where it can, anew where an event is late or changes an order that is not recent.
    """

    def __init__(self, policies: Policies = POLICY) -> None:
        self.policies = policies
        self.customer = unknown_customer(policies.known)
        self.moves = list[Move]()
        self.hints = list[Hint]()
        self.published = set[tuple[str, str]]()
        self._known = dict[tuple[str, str, str], Happening]()
        self._orders = set[int]()

    def take(self, batch: Iterable[Happening]) -> None:
        """Fold a batch of events; those that are known are left out."""
        arrived = {(h.origin, h.source, h.id): h for h in batch}
        new = {identity: h for identity, h in arrived.items() if identity not in self._known}
        self._known |= new
        ordered = sorted(new.values(), key=lambda h: h.key)
        if not self._onward(ordered):
            self._anew()
        self._orders |= {h.order_key for h in ordered if h.order_key is not None}

    def learn(self, policies: Policies) -> None:
        """Another activation has become known."""
        self.policies = policies
        relearned = apply_schedule(self.customer, policies)
        if relearned is None:
            self._anew()
        else:
            self._add(relearned)

    def tick(self, instant: datetime) -> None:
        """Let time pass."""
        self._add(pass_time(self.customer, instant, self.policies))

    def _anew(self) -> None:
        folded = fold(self._known.values(), self.policies, until=self.customer.reached)
        self.moves, self.hints = [], []
        self._add(folded)

    def _onward(self, ordered: list[Happening]) -> bool:
        if any(self.customer.is_late(happening) for happening in ordered):
            return False
        try:
            self._add(fold_on(self.customer, ordered, self.policies, self._orders))
        except OrdersIncompleteError:
            return False
        return True

    def _add(self, folded: Folded) -> None:
        self.customer, moves, hints = folded.parts
        self.moves += moves
        self.hints += hints
        self.published |= {(hint.name, hint.occasion) for hint in hints}
