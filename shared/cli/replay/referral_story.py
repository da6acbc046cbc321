"""The referral story, after the end of the CDNOW log: a friend recommends, three order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from rich.table import Table

from shared.cli.console import say, show_table
from shared.cli.replay import cdnow
from shared.cli.replay.plan import Chunk
from shared.cli.replay.sender import Sender
from shared.cli.replay.settlement import show_settlement
from shared.cli.stack import RunningStack
from shared.client.lifecycle import AsyncLifecycleClient, CustomerView
from shared.client.referral import AsyncReferralClient, BalanceView
from shared.errors import Misconfigured
from shared.instants import render

RECOMMENDER: Final = "story:anna"
RETURN_WINDOW_DAYS: Final = 14
_DOLLAR: Final = 100
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Referee:
    """A customer whom the recommender brings: the first order and its refund, in cents."""

    customer: str
    ordered_at: datetime
    total: int
    refunded: int = 0
    refunded_after: timedelta = timedelta(0)


# Everything happens after the last tick, so that nothing at the end of the log changes
# and no deadline fires.
REFEREES: Final = (
    Referee("story:ben", cdnow.END + 12 * _HOUR, 50 * _DOLLAR),
    Referee("story:carla", cdnow.END + 15 * _HOUR, 60 * _DOLLAR, 24 * _DOLLAR, 3 * _DAY),
    Referee("story:david", cdnow.END + 18 * _HOUR, 40 * _DOLLAR, 4 * _DOLLAR, 20 * _DAY),
)


@dataclass(frozen=True, slots=True)
class StoryOutcome:
    """The recommender and the code at the end, and balances by customer."""

    code: str
    recommender: CustomerView
    balances: Mapping[str, Sequence[BalanceView]]


async def show_referral_story(stack: RunningStack) -> None:
    """Play the story over HTTP and print what everybody earned, if referral runs."""
    if not stack.has_referral:
        return
    async with stack.referral() as referral, stack.lifecycle() as lifecycle:
        clock = (await lifecycle.count_phases())["as_of"]
        if clock != render(cdnow.END):
            say(
                "\nThe referral story is played at the end of the log; "
                f"the clock stands at {clock}."
            )
            return
        _show(await _play(stack, referral, lifecycle))


async def _play(
    stack: RunningStack, referral: AsyncReferralClient, lifecycle: AsyncLifecycleClient
) -> StoryOutcome:
    await _send(stack, [_order(RECOMMENDER, cdnow.END + 9 * _HOUR, 35 * _DOLLAR)])
    code = (await referral.issue_code({"customer": RECOMMENDER}))["code"]
    for referee in REFEREES:
        await referral.claim(
            {"code": code, "referee": referee.customer}, idempotency_key=referee.customer
        )
    await _send(stack, [event for referee in REFEREES for event in _events(referee)])
    await show_settlement(stack)
    people = (RECOMMENDER, *(referee.customer for referee in REFEREES))
    balances = {name: (await referral.show_balance(name))["balances"] for name in people}
    return StoryOutcome(code, await lifecycle.show_customer(RECOMMENDER), balances)


async def _send(stack: RunningStack, events: Sequence[dict[str, Any]]) -> None:
    chunk = Chunk()
    for number, event in enumerate(events, start=1):
        chunk.add(number, msgspec.json.encode(event))
    async with Sender(stack.ingest_url, stack.key) as sender:
        tally = await sender.send([chunk])
    if tally.rejected:
        raise Misconfigured(f"ingest rejected the story: {tally.first_rejections[0].message}")


def _events(referee: Referee) -> list[dict[str, Any]]:
    order = _order(referee.customer, referee.ordered_at, referee.total)
    if not referee.refunded:
        return [order]
    data = {"order_id": order["data"]["order_id"], "amount": _money(referee.refunded)}
    refunded_at = referee.ordered_at + referee.refunded_after
    return [order, _event(referee.customer, "order.refunded", refunded_at, data)]


def _order(customer: str, time: datetime, total: int) -> dict[str, Any]:
    data = {
        "order_id": f"{customer}-1",
        "total": _money(total),
        "return_window_days": RETURN_WINDOW_DAYS,
    }
    return _event(customer, "order.completed", time, data)


def _event(customer: str, kind: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{customer} {kind}",
        "source": "/story",
        "type": kind,
        "subject": customer,
        "time": render(time),
        "data": data,
    }


def _money(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD"}


def _show(outcome: StoryOutcome) -> None:
    table = Table()
    table.add_column("Customer", no_wrap=True)
    table.add_column("What happened")
    table.add_column("Pending", justify="right", no_wrap=True)
    table.add_column("Available", justify="right", no_wrap=True)
    for referee in REFEREES:
        balances = _balance_cells(outcome.balances[referee.customer])
        table.add_row(referee.customer, _order_text(referee), *balances)
    table.add_section()
    balances = _balance_cells(outcome.balances[RECOMMENDER])
    table.add_row(RECOMMENDER, _recommender_text(outcome), *balances, style="bold")
    show_table("Referral: three customers order for the first time, with a friend's code", table)
    say(
        "A reward is pending until the order can no longer be returned "
        f"({RETURN_WINDOW_DAYS} days); a refund takes back its share."
    )


def _recommender_text(outcome: StoryOutcome) -> str:
    phase = outcome.recommender["phase"]
    since = outcome.recommender["since"][:10]
    return f"recommended all three with {outcome.code}: {phase} since {since}"


def _order_text(referee: Referee) -> str:
    ordered = f"order of {_dollars(referee.total)}"
    if not referee.refunded:
        return ordered
    days = referee.refunded_after.days
    return f"{ordered}, {_dollars(referee.refunded)} of it returned after {days} days"


def _balance_cells(balances: Sequence[BalanceView]) -> tuple[str, str]:
    """Pending and available, one line per currency."""
    shown = [balance for balance in balances if balance["pending"] or balance["available"]]
    pending = (f"{_dollars(balance['pending'])} {balance['currency']}" for balance in shown)
    available = (f"{_dollars(balance['available'])} {balance['currency']}" for balance in shown)
    return "\n".join(pending), "\n".join(available)


def _dollars(cents: int) -> str:
    return f"{cents / _DOLLAR:,.2f}"
