"""Seeded traffic of lapses, redeemed codes, recommendations and returns, partly late or doubled."""

import random
from collections.abc import Iterator
from typing import Any, Final

from pydantic import SecretStr

from services.lifecycle.domain.state.customer import Move
from services.reactivation.domain import codes as offer_codes
from services.reactivation.domain.cases import Lapse, case_id
from services.reactivation.settings import ReactivationSettings
from services.referral.settings import ReferralSettings
from shared.clock import ClockMode
from tests.fault.merges import merges_among
from tests.fault.orders import changes_of
from tests.fault.terms import TERMS
from tests.fault.traffic import DAYS, Traffic, arrivals_of, in_order
from tests.support.builders import DAY_0, day, event, order
from tests.support.fresh_servers import PARTITIONS
from tests.support.referral_codes import CODE_SECRET, code_of

Arrivals = list[tuple[float, dict[str, Any]]]

SHOPPERS: Final = 80
REFEREES: Final = 60
RECOMMENDERS: Final = [f"s{n}" for n in range(16)]
"""Shoppers with a code: the first have recommended before, the others ask for one."""
KNOWN: Final = RECOMMENDERS[:4]
ASKING: Final = RECOMMENDERS[4:]
HTTP_REFEREES: Final = [f"d{n}" for n in range(20)]
"""Referees who name their code over HTTP."""
TICKS_EVERY: Final = 10
"""Days between ticks: each costs three services a transaction for each of their partitions."""
MERGES: Final = 24
"""Half of them are taken back; recommenders, and who has named their codes, are often merged."""


def generate_market(seed: int) -> Traffic:
    """The events of all customers; those of `recommended_before` are not among them."""
    rnd = random.Random(seed)
    shopping = [each for n in range(SHOPPERS) for each in _shops(rnd, f"s{n}")]
    shopping += [each for n in range(REFEREES) for each in _is_recommended(rnd, f"r{n}")]
    shopping += [each for name in HTTP_REFEREES for each in _buys(rnd, name, rnd.uniform(60, 190))]
    shopping += merges_among(rnd, _merged(rnd), DAY_0, DAYS, number=MERGES)
    shopping += list(_comes_back(rnd, Traffic([made for _, made in shopping], day(DAYS))))
    arrivals = [
        arrival for at, made in shopping if at < DAYS for arrival in arrivals_of(rnd, at, made)
    ]
    return Traffic(in_order(arrivals, every=TICKS_EVERY), day(DAYS + 10))


def _merged(rnd: random.Random) -> list[str]:
    """Who may be merged into whom comes later in the list."""
    names = [f"r{n}" for n in range(REFEREES)] + HTTP_REFEREES
    shoppers = [f"s{n}" for n in range(len(RECOMMENDERS), SHOPPERS)]
    return [*rnd.sample(names, 15), *rnd.sample(shoppers, 15), *RECOMMENDERS]


def recommended_before() -> list[dict[str, Any]]:
    """What an earlier program has announced: lifecycle makes advocates of these shoppers."""
    return [
        event(name, "referral.succeeded", 1, id=f"{name}-before", referee="somebody")
        for name in KNOWN
    ]


def winback_settings(**more: Any) -> ReactivationSettings:
    """Settings of reactivation with the terms of the fault tests."""
    return ReactivationSettings(**_settings(more))


def referral_settings(**more: Any) -> ReferralSettings:
    """Settings of referral with the terms of the fault tests."""
    return ReferralSettings(**_settings(more))


def _settings(more: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "kafka_bootstrap": "",
        "database_url": "",
        "partitions": PARTITIONS,
        "clock": ClockMode.LOG,
    }
    return (
        known
        | TERMS
        | {"api_key": SecretStr("key-of-the-tests"), "code_secret": CODE_SECRET}
        | more
    )


def _shops(rnd: random.Random, customer: str) -> Arrivals:
    """Orders with gaps in which some fall silent; some name a code, and a few leave for good."""
    at = rnd.uniform(2, 30)
    found = Arrivals()
    while at < DAYS:
        named = code_of(rnd.choice([*RECOMMENDERS, customer])) if rnd.random() < 0.05 else None
        made = order(
            customer,
            at,
            id=f"{customer}-{len(found)}",
            amount=rnd.randrange(500, 9000),
            referral_code=named,
        )
        found.append((at, made))
        found += changes_of(rnd, at, made)
        at += rnd.choice((4, 10, 25, 45, 110)) * rnd.uniform(0.5, 1)
    if rnd.random() < 0.1:
        found.append((DAYS - 60, event(customer, "customer.closed", DAYS - 60)))
    return found


def _is_recommended(rnd: random.Random, customer: str) -> Arrivals:
    """Names one code or several, mistyped now and then, and buys: before, in time, or too late."""
    at = rnd.uniform(5, 140)
    found = Arrivals()
    for n in range(rnd.choice((1, 1, 2))):
        code = code_of(rnd.choice(RECOMMENDERS)) if rnd.random() < 0.93 else "nobody's"
        signed_up = event(
            customer, "customer.signed_up", at + n, id=f"{customer}-touch-{n}", referral_code=code
        )
        found.append((at + n, signed_up))
    if rnd.random() < 0.1:
        found.append((at - 2, order(customer, at - 2, id=f"{customer}-before")))
    return [*found, *_buys(rnd, customer, at + rnd.uniform(0, 55))]


def _buys(rnd: random.Random, customer: str, at: float) -> Arrivals:
    """A first order and what becomes of it, and perhaps a second one, late now and then."""
    first = order(
        customer,
        at,
        id=f"{customer}-first",
        amount=rnd.randrange(1000, 9000),
        return_window_days=rnd.choice((0, 5, 14)),
    )
    found = [(at, first)]
    for n in range(rnd.choice((0, 0, 1, 2))):
        back = {"amount": rnd.randrange(100, 5000), "currency": "EUR"}
        when = at + rnd.uniform(-1, 25)
        refund = event(
            customer,
            "order.refunded",
            when,
            id=f"{customer}-back-{n}",
            order_id=first["id"],
            amount=back,
        )
        found.append((when, refund))
    found += changes_of(rnd, at, first)
    if rnd.random() < 0.4:
        when = at + rnd.uniform(-3, 20)
        found.append((when + rnd.choice((0, 4)), order(customer, when, id=f"{customer}-second")))
    return found


def _comes_back(rnd: random.Random, shopping: Traffic) -> Iterator[tuple[float, dict[str, Any]]]:
    """Of those who fall silent, some come back with the code of their offer."""
    secret = winback_settings().terms.secret
    for customer, history in shopping.expected().items():
        for move in history:
            if _is_a_lapse(move) and rnd.random() < 0.3:
                lapse = Lapse(move.occurred_at, move.rule, move.to)
                code = offer_codes.code_of(case_id(customer, lapse), secret)
                at = (move.occurred_at - DAY_0).total_seconds() / 86_400 + rnd.uniform(
                    0.1, TERMS["offer_days"] + 2
                )
                yield at, order(customer, at, id=f"{customer}-back-{at:.3f}", coupon=code)


def _is_a_lapse(move: Move) -> bool:
    return move.to in ("inactive", "former") and move.profile.orders > 0
