"""The referral story: a few customers recommend, claim, order and send back, after the last day of the CDNOW log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from rich.table import Table

from shared.cli.commands.replay import settle
from shared.cli.console import say, show
from shared.cli.replay import cdnow
from shared.cli.replay.plan import Chunk
from shared.cli.replay.sender import Sender
from shared.client.lifecycle import AsyncLifecycleClient, CustomerView
from shared.client.referral import AsyncReferralClient, BalanceView
from shared.errors import Misconfigured
from shared.instants import render
from shared.local.home import StackState
from shared.processes import INGEST, LIFECYCLE, REFERRAL

RECOMMENDER: Final = "story:anna"
RETURN_WINDOW_DAYS: Final = 14
_DOLLAR: Final = 100
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Referee:
    """Somebody whom the recommender brought: the first order, how much of it is sent back and when. In cents."""

    customer: str
    ordered_at: datetime
    total: int
    refunded: int = 0
    refunded_after: timedelta = timedelta(0)


# Everything happens after the last tick: what held at the end of the log stays as it is, and no deadline fires for it.
REFEREES: Final = (
    Referee("story:ben", cdnow.END + 12 * _HOUR, 50 * _DOLLAR),
    Referee("story:carla", cdnow.END + 15 * _HOUR, 60 * _DOLLAR, 24 * _DOLLAR, 3 * _DAY),
    Referee("story:david", cdnow.END + 18 * _HOUR, 40 * _DOLLAR, 4 * _DOLLAR, 20 * _DAY),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who the recommender became, and balances by customer."""

    code: str
    recommender: CustomerView
    balances: Mapping[str, Sequence[BalanceView]]


async def show_referral(state: StackState, key: str) -> None:
    """Play the story over HTTP and show what everybody earned."""
    if REFERRAL not in state.urls:
        return
    async with (
        AsyncReferralClient(state.url(REFERRAL), key) as referral,
        AsyncLifecycleClient(state.url(LIFECYCLE), key) as lifecycle,
    ):
        clock = (await lifecycle.count_phases())["as_of"]
        if clock != render(cdnow.END):
            say(
                f"\nThe referral story is played at the end of the log; the clock stands at {clock}."
            )
            return
        _show(await _play(state, key, referral, lifecycle))


async def _play(
    state: StackState, key: str, referral: AsyncReferralClient, lifecycle: AsyncLifecycleClient
) -> Outcome:
    await _send(state, key, [_order(RECOMMENDER, cdnow.END + 9 * _HOUR, 35 * _DOLLAR)])
    code = (await referral.issue_code({"customer": RECOMMENDER}))["code"]
    for referee in REFEREES:
        await referral.claim(
            {"code": code, "referee": referee.customer}, idempotency_key=referee.customer
        )
    await _send(state, key, [event for referee in REFEREES for event in _deeds(referee)])
    await settle(state)
    people = (RECOMMENDER, *(referee.customer for referee in REFEREES))
    balances = {name: (await referral.show_balance(name))["balances"] for name in people}
    return Outcome(code, await lifecycle.show_customer(RECOMMENDER), balances)


async def _send(state: StackState, key: str, events: Sequence[dict[str, Any]]) -> None:
    async with Sender(state.url(INGEST), key) as sender:
        lines = [msgspec.json.encode(event) for event in events]
        tally = await sender.send([Chunk(lines, list(range(1, len(lines) + 1)))])
    if tally.rejected:
        raise Misconfigured(f"ingest refused the story: {tally.first_rejections[0].message}")


def _deeds(referee: Referee) -> list[dict[str, Any]]:
    events = [_order(referee.customer, referee.ordered_at, referee.total)]
    if referee.refunded:
        data = {"order_id": events[0]["data"]["order_id"], "amount": _money(referee.refunded)}
        events.append(
            _event(
                referee.customer,
                "order.refunded",
                referee.ordered_at + referee.refunded_after,
                data,
            )
        )
    return events


def _order(customer: str, time: datetime, total: int) -> dict[str, Any]:
    data = {
        "order_id": f"{customer}-1",
        "total": _money(total),
        "return_window_days": RETURN_WINDOW_DAYS,
    }
    return _event(customer, "order.completed", time, data)


def _event(customer: str, kind: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    about = {"specversion": "1.0", "id": f"{customer} {kind}", "source": "/story", "type": kind}
    return {**about, "subject": customer, "time": render(time), "data": data}


def _money(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD"}


def _show(told: Outcome) -> None:
    table = Table()
    table.add_column("Customer", no_wrap=True)
    table.add_column("What happened")
    table.add_column("Pending", justify="right", no_wrap=True)
    table.add_column("Available", justify="right", no_wrap=True)
    for referee in REFEREES:
        table.add_row(referee.customer, _deed(referee), *_sums(told.balances[referee.customer]))
    table.add_section()
    phase, since = told.recommender["phase"], told.recommender["since"][:10]
    became = f"recommended all three with {told.code}: {phase} since {since}"
    table.add_row(RECOMMENDER, became, *_sums(told.balances[RECOMMENDER]), style="bold")
    show("Referral: three customers order for the first time, with a friend's code", table)
    say(
        f"A reward is pending until the order can no longer be sent back ({RETURN_WINDOW_DAYS} days); a refund takes "
        "back its share."
    )


def _deed(referee: Referee) -> str:
    ordered = f"order of {_dollars(referee.total)}"
    if not referee.refunded:
        return ordered
    return f"{ordered}, {_dollars(referee.refunded)} of it sent back after {referee.refunded_after.days} days"


def _sums(balances: Sequence[BalanceView]) -> tuple[str, str]:
    """Pending and available, one line per currency."""
    found = [b for b in balances if b["pending"] or b["available"]]
    pending = "\n".join(f"{_dollars(b['pending'])} {b['currency']}" for b in found)
    return pending, "\n".join(f"{_dollars(b['available'])} {b['currency']}" for b in found)


def _dollars(cents: int) -> str:
    return f"{cents / _DOLLAR:,.2f}"
