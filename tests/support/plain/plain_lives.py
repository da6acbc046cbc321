"""Random lives with events of every type: a seed is a life, full of edges on purpose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Final

from services.lifecycle.domain.policy.policy import Policy
from tests.support.builders import day, event
from tests.support.customer_events import CUSTOMER, RawEvent
from tests.support.plain.plain_policies import PlainActivation

SHORT: Final = Policy(
    name="short",
    at_risk_days=20,
    inactive_days=40,
    former_after_inactive_days=60,
    prospect_days=50,
    advocate_days=70,
    complaint_overdue_hours=240,
    renewal_grace_days=10,
)
"""Everything is in steps of ten days, as are most events, so that instants coincide."""
VARIANTS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"contact_days": 30},
    {"revenue_decline_share": 0.5},
    {"at_risk_days": 30, "inactive_days": 90, "renewal_grace_days": 0},
    {"free_orders_count": False},
    {"established_after_orders": 2, "settle_after_orders": 3},
    {"prospect_days": 20, "advocate_days": 30, "former_after_inactive_days": 20},
    {"complaint_overdue_hours": 24, "contact_days": 20},
)
LENGTH: Final = 240
SOURCES: Final = (*("/shop",) * 5, "/till", "/pay")
MERGED_IDS: Final = ("bob", "cyd")
Data = dict[str, Any]


@dataclass(frozen=True)
class PlainLifeStory:
    """What a life is folded from."""

    raws: Sequence[RawEvent]
    activations: Sequence[PlainActivation]
    until: datetime


def life_of(seed: int) -> PlainLifeStory:
    """Return the life of a seed."""
    random = Random(seed)
    raws = list[RawEvent]()
    focus = random.choice(FOCUSES)
    for number in range(random.randint(1, 22)):
        type = random.choice(focus if random.random() < 0.7 else TYPES)
        at = raws[-1]["at"] if raws and random.random() < 0.1 else _some_day(random)
        raws.append({**_event(random, number, type, at), "at": at})
    for raw in raws:
        del raw["at"]
    raws += _twins(random, raws)
    return PlainLifeStory(raws, _activations(random), day(random.choice((LENGTH, LENGTH + 400))))


def _some_day(random: Random) -> float:
    steps = random.choice((10.0, 10.0, 5.0, 1.0))
    return random.randint(0, int(LENGTH / steps)) * steps


def _event(random: Random, number: int, type: str, at: float) -> RawEvent:
    data = DATA[type](random) if type in DATA else {}
    if random.random() < 0.03:
        data["test"] = True
    raw = event(CUSTOMER, type, at, id=f"{number * 7 % 25:02}")
    raw = {**raw, "source": random.choice(SOURCES), "data": data}
    if random.random() < 0.1:
        raw |= {"mergedfrom": random.choice(MERGED_IDS)}
    return raw


def _twins(random: Random, raws: Sequence[RawEvent]) -> list[RawEvent]:
    """Return some of the events again, of a merged customer for whom the shop used the same ids."""
    own = [raw for raw in raws if "mergedfrom" not in raw]
    twins = random.sample(own, min(2, len(own))) if random.random() < 0.1 else []
    return [{**raw, "mergedfrom": "dot"} for raw in twins]


def _activations(random: Random) -> list[PlainActivation]:
    activations = [PlainActivation(day(-1000), _policy(random, 1, None))]
    for number in range(random.choice((0, 0, 0, 1, 2))):
        account = random.choice((None, None, "b2b"))
        at = day(random.randint(0, LENGTH // 10) * 10)
        activations.append(PlainActivation(at, _policy(random, number + 2, account)))
    return sorted(activations, key=lambda activation: activation.at)


def _policy(random: Random, version: int, account: str | None) -> Policy:
    changes = random.choice(VARIANTS) | random.choice(VARIANTS)
    return replace(SHORT, version=version, account=account, **changes)


# -- what events say -------------------------------------------------------------------------------


def _maybe(random: Random, share: float = 0.5, **fields: Callable[[], Any]) -> Data:
    return {name: value() for name, value in fields.items() if random.random() < share}


def _money(random: Random) -> Data:
    amount = random.choice((0, 1000, 1000, 2000, 3000, 5000))
    return {"amount": amount, "currency": random.choice(("EUR",) * 9 + ("USD",))}


def _order_id(random: Random) -> Data:
    data: Data = {"order_id": random.choice(random.choice(("aab", "abcdefg")))}
    return data | _maybe(random, 0.2, store=lambda: random.choice(("/shop", "/till")))


def _completed(random: Random) -> Data:
    data = _order_id(random) | {"total": _money(random)}
    return data | _maybe(random, 0.05, replacement_of=lambda: "z")


def _updated(random: Random) -> Data:
    return _order_id(random) | _maybe(random, 0.8, total=lambda: _money(random))


def _refund_id(random: Random) -> str:
    return random.choice(("r1", "r2"))


def _refunded(random: Random) -> Data:
    data = _maybe(random, amount=lambda: _money(random), refund_id=lambda: _refund_id(random))
    return _order_id(random) | data


def _withdrawn(random: Random) -> Data:
    if random.random() < 0.5:
        return _order_id(random) | {"refund_id": _refund_id(random)}
    return _order_id(random) | {"amount": _money(random)}


def _contract_id(random: Random) -> Data:
    return {"contract_id": random.choice("kkl")}


def _instant(random: Random) -> str:
    return day(_some_day(random)).isoformat()


def _concluded(random: Random) -> Data:
    value = {"amount": 999, "currency": "EUR"}
    data = {"term_months": random.randint(1, 3), "value": value}
    return _contract_id(random) | data | _maybe(random, 0.4, renews_at=lambda: _instant(random))


def _renewed(random: Random) -> Data:
    return _contract_id(random) | _maybe(random, term_months=lambda: random.randint(1, 3))


def _cancelled(random: Random) -> Data:
    return _contract_id(random) | _maybe(random, 0.6, effective_at=lambda: _instant(random))


def _feedback(random: Random) -> Data:
    kind = random.choice(("nps", "nps", "nps", "csat", "review", "review", "exit"))
    match kind:
        case "nps":
            said: Data = {"score": random.randint(0, 10)}
        case "csat":
            said = {"score": random.randint(1, 5)}
        case "review":
            said = {"score": random.randint(2, 10) / 2, "public": random.random() < 0.5}
        case _:
            said = {}
    return {"kind": kind} | said


def _complaint_id(random: Random) -> Data:
    return {"complaint_id": random.choice("mmn")}


def _opened(random: Random) -> Data:
    return _complaint_id(random) | _maybe(random, severity=lambda: random.randint(1, 3))


def _resolved(random: Random) -> Data:
    return _complaint_id(random) | _maybe(random, satisfied=lambda: random.random() < 0.7)


def _referee(random: Random) -> Data:
    return {"referee": random.choice("pq")}


def _account(random: Random) -> Data:
    return _maybe(random, account=lambda: random.choice(("b2c", "b2b")))


DATA: Final[dict[str, Callable[[Random], Data]]] = {
    "order.completed": _completed,
    "order.updated": _updated,
    "order.cancelled": _order_id,
    "order.refunded": _refunded,
    "order.refund_withdrawn": _withdrawn,
    "delivery.delayed": _order_id,
    "contract.concluded": _concluded,
    "contract.renewed": _renewed,
    "contract.cancelled": _cancelled,
    "feedback.submitted": _feedback,
    "complaint.opened": _opened,
    "complaint.answered": _complaint_id,
    "complaint.resolved": _resolved,
    "referral.succeeded": _referee,
    "referral.annulled": _referee,
    "customer.signed_up": _account,
    "customer.updated": _account,
    "customer.merged": lambda _: {"into": "eve"},
    "product.used": lambda _: {"product": "p"},
    "product.activated": lambda _: {"product": "p"},
    "checkout.started": lambda _: {"checkout_id": "c"},
    "engagement.recorded": lambda _: {"kind": "webinar"},
    "feedback.answered": lambda _: {"feedback_id": "f"},
    "inquiry.opened": lambda _: {"inquiry_id": "i"},
    "inquiry.answered": lambda _: {"inquiry_id": "i"},
    "message.sent": lambda _: {"message_id": "s", "channel": "email"},
    "message.delivered": lambda _: {"message_id": "s", "channel": "email"},
    "message.bounced": lambda _: {"message_id": "s", "channel": "email"},
    "message.complained": lambda _: {"message_id": "s", "channel": "email"},
    "consent.granted": lambda _: {"channel": "email", "purpose": "marketing"},
    "consent.withdrawn": lambda _: {"channel": "email", "purpose": "marketing"},
    "contact.made": lambda _: {
        "case_id": "w",
        "channel": "phone",
        "agent": "g",
        "result": "reached",
    },
}
"""What each type says; the others say nothing."""
SILENT: Final = (
    "session.signed_in",
    "page.viewed",
    "message.opened",
    "message.clicked",
    "newsletter.subscribed",
    "newsletter.unsubscribed",
    "customer.closed",
    "customer.unmerged",
    "customer.erasure_requested",
)
TYPES: Final = (*DATA, *SILENT)
ORDERS: Final = (
    *("order.completed",) * 4,
    "order.cancelled",
    "order.refunded",
    "order.updated",
    "order.refund_withdrawn",
)
CONTRACTS: Final = (
    "contract.concluded",
    "contract.renewed",
    "contract.cancelled",
    "order.completed",
    "customer.closed",
)
OPINIONS: Final = (
    "order.completed",
    "feedback.submitted",
    "complaint.opened",
    "complaint.answered",
    "complaint.resolved",
    "referral.succeeded",
    "referral.annulled",
    "newsletter.unsubscribed",
    "newsletter.subscribed",
)
FOCUSES: Final = (
    ORDERS,
    ORDERS,
    (*ORDERS, *CONTRACTS),
    CONTRACTS,
    (*ORDERS, *OPINIONS),
    OPINIONS,
    (*("order.completed",) * 3, "page.viewed", "session.signed_in", "customer.updated"),
    TYPES,
)
"""Most events of one life are of a few types, so that they meet."""
