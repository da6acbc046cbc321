"""How many of the contracts that were up for renewal have been renewed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import Field

from services.lifecycle import policies
from services.lifecycle.domain.agreements import Contract
from services.lifecycle.domain.customer import Customer
from services.lifecycle.domain.facts import COUNTING
from services.lifecycle.domain.happenings import IN_ORDER, Agreement, Happening, Kind
from services.lifecycle.domain.schedule import Policies, Schedule
from services.lifecycle.figures.figure import Figure, Unit, Value, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.whose import OURS, statements
from services.lifecycle.reading import read
from shared.db import Tx
from shared.events import envelope
from shared.turns import in_turns

_AGREED: Final = statements(
    f"""
SELECT e.customer_key, e.body FROM event AS e
WHERE e.type IN ('contract.concluded', 'contract.renewed', 'contract.cancelled')
    AND $1::timestamptz < $2 AND e.time < $2 AND {OURS}
"""  # noqa: S608  (constants)
)
_ACCOUNTS: Final = "SELECT key, account FROM customer WHERE key = ANY($1::bigint[])"


class Term(NamedTuple):
    """A term of a contract that was renewed, or came to its end; `pending` while it may still be renewed."""

    renews_at: datetime
    renewed: bool
    pending: bool = False


class RenewalValue(Value):
    """How many contracts are renewed."""

    value: float | None = Field(description="Share of the contracts up for renewal that were renewed.", examples=[0.83])
    possible: int = Field(
        description="Terms of contracts that ended in the period (`renews_at`), renewed or not.", examples=[30]
    )
    renewed: int = Field(
        description="Of these, terms that were renewed before `to`: ahead of the end, or in grace.", examples=[25]
    )
    pending: int = Field(
        description="Of the others, terms without notice of cancellation, in grace at `to`.", examples=[1]
    )


def terms(happenings: Iterable[Happening], schedule: Policies, account: str | None, until: datetime) -> Iterator[Term]:
    """The terms that one customer's contracts have come to the end of, or were renewed from, before an instant.

    `happenings` are all that was said of the contracts before it. A contract that has ended before its `renews_at`, or
    was concluded anew, is not up for renewal then; after its grace a renewal concludes it anew.
    """
    contracts: Mapping[str, Contract] = {}
    for happening in sorted(happenings, key=IN_ORDER):
        said = happening.content
        assert isinstance(said, Agreement)  # noqa: S101
        running = dict[str, Contract]()
        for id, contract in contracts.items():  # noqa: A001
            if (end := _end(contract, schedule, account)) > happening.time:
                running[id] = contract
            else:
                yield from _left(contract, end)
        policy = schedule.at(happening.time, account)
        contracts = COUNTING[happening.kind](Customer(contracts=running), happening, policy, None).customer.contracts
        before = running.get(said.contract_id)
        if before is not None and happening.kind is Kind.RENEWED:
            yield Term(before.renews_at, True)
        elif before is not None and (happening.kind is Kind.CONCLUDED or said.contract_id not in contracts):
            yield from _left(before, happening.time)
    for contract in contracts.values():
        if contract.renews_at < until:
            end = _end(contract, schedule, account)
            yield from _left(contract, min(end, until), pending=end > until and contract.ends_at is None)


def _end(contract: Contract, schedule: Policies, account: str | None) -> datetime:
    """When it no longer runs, if nothing happens, by the policies in force one after the other."""
    if contract.ends_at is not None:
        return contract.ends_at
    at = contract.renews_at
    while True:
        end = max(at, contract.end(schedule.at(at, account)))
        change = schedule.next_change(at, account)
        if change is None or end < change:
            return end
        at = change


def _left(contract: Contract, end: datetime, *, pending: bool = False) -> Iterator[Term]:
    if contract.renews_at <= end:
        yield Term(contract.renews_at, False, pending)


async def _agreed(tx: Tx, period: Period, account: Account | None) -> dict[int, list[Happening]]:
    """What customers, by their keys, have said of contracts before the end of the period."""
    found: dict[int, list[Happening]] = {}
    async for rows in in_turns(await tx.fetch(_AGREED[account], period.since, period.until, account)):
        for customer, body in rows:
            happening = read("", envelope.decode(body))
            assert isinstance(happening, Happening)  # noqa: S101
            found.setdefault(customer, []).append(happening)
    return found


async def _accounts(tx: Tx, schedule: Schedule, customers: Sequence[int]) -> Mapping[int, str | None]:
    """The accounts of customers, where some are judged by policies of their own."""
    if not any(activation.policy.account for activation in schedule.activations):
        return {}
    return {row["key"]: row["account"] for row in await tx.fetch(_ACCOUNTS, customers)}


async def _renewal_rate(tx: Tx, period: Period, account: Account | None) -> RenewalValue:
    schedule = await policies.load(tx)
    agreed = await _agreed(tx, period, account)
    accounts = await _accounts(tx, schedule, list(agreed))
    possible = renewed = pending = 0
    async for some in in_turns(agreed.items()):
        for customer, happenings in some:
            for term in terms(happenings, schedule, accounts.get(customer), period.until):
                if period.since <= term.renews_at < period.until:
                    possible += 1
                    renewed += term.renewed
                    pending += term.pending
    return RenewalValue(value=share(renewed, possible), possible=possible, renewed=renewed, pending=pending)


RENEWAL_RATE: Final = Figure(
    name="renewal_rate",
    formula="terms of contracts whose `renews_at` lies in the period that were renewed before `to` / all such terms",
    source="event: contract.concluded, contract.renewed, contract.cancelled; policy: renewal_grace_days",
    unit=Unit.SHARE,
    value=RenewalValue,
    compute=_renewal_rate,
)
