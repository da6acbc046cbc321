"""How many of the contracts that were up for renewal have been renewed."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import Field

from services.lifecycle.domain.effects.contracts import contracts_after
from services.lifecycle.domain.policy.schedule import Policies, Schedule
from services.lifecycle.domain.state.happenings import (
    SORT_KEY,
    AccountDetails,
    ContractTerms,
    EventKind,
    Happening,
)
from services.lifecycle.domain.state.open_items import Contract
from services.lifecycle.events import read
from services.lifecycle.figures.figure import Figure, FigureValue, Unit, share
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS, event_statements
from services.lifecycle.schedule import load_schedule
from shared.clock import CLOCK_START
from shared.database.connection import Tx
from shared.events import envelope

_AGREED: Final = f"""
SELECT e.customer_key, e.body FROM event AS e
WHERE e.type IN (
        'contract.concluded', 'contract.renewed', 'contract.cancelled', 'customer.closed'
    )
    AND $1::timestamptz < $2 AND e.time < $2 AND {COUNTED_EVENTS}
"""  # noqa: S608  (constants)
_AGREEMENTS: Final = event_statements(f"{_AGREED} ORDER BY 1")
_WITH_ACCOUNTS: Final = event_statements(
    f"""
WITH agreed AS MATERIALIZED ({_AGREED})
SELECT customer_key, body FROM agreed
UNION ALL
SELECT customer_key, e.body
FROM (SELECT DISTINCT customer_key FROM agreed) AS a JOIN event AS e USING (customer_key)
WHERE e.type IN ('customer.signed_up', 'customer.updated') AND e.time < $2
ORDER BY 1
"""  # noqa: S608  (constants)
)
AT_ONCE: Final = 500
"""Events that are fetched together; in between, other requests have their turn."""


class TermOutcome(NamedTuple):
    """A contract's term that was renewed or has ended; `pending` while renewal is possible."""

    renews_at: datetime
    renewed: bool
    pending: bool = False


class RenewalValue(FigureValue):
    """How many contracts are renewed."""

    value: float | None = Field(
        description="Share of the contracts up for renewal that were renewed.", examples=[0.83]
    )
    possible: int = Field(
        description="Terms of contracts that ended in the period (`renews_at`), renewed or not.",
        examples=[30],
    )
    renewed: int = Field(
        description="Of these, terms that were renewed before `to`: ahead of the end, or in grace.",
        examples=[25],
    )
    pending: int = Field(
        description="Of the others, terms without notice of cancellation, in grace at `to`.",
        examples=[1],
    )


def term_outcomes(
    happenings: Iterable[Happening], schedule: Policies, since: datetime, until: datetime
) -> Iterator[TermOutcome]:
    """The outcomes of one customer's terms that would end in a period.

    `happenings` are all events of the contracts before its end, the closing of the account, and its
    kind if policies look at it. A contract that has ended before its `renews_at`, or was concluded
    anew, is not up for renewal then; after its grace a renewal concludes it anew.
    """
    running = _RunningContracts(schedule)
    for happening in sorted(happenings, key=SORT_KEY):
        for term in (*running.pass_time(happening.time), *running.apply(happening)):
            if since <= term.renews_at < until:
                yield term
    for contract in running.contracts.values():
        if since <= contract.renews_at < until:
            end = running.end(contract)
            yield from _not_renewed(
                contract, min(end, until), pending=end > until and contract.ends_at is None
            )


class _RunningContracts:
    """A customer's running contracts, and the kind of account with its beginning."""

    def __init__(self, schedule: Policies) -> None:
        self.contracts: Mapping[str, Contract] = {}
        self._schedule = schedule
        self._account: str | None = None
        self._since = CLOCK_START

    def pass_time(self, instant: datetime) -> Iterator[TermOutcome]:
        """Contracts that have come to their end by then."""
        for id, contract in tuple(self.contracts.items()):
            if (end := self.end(contract)) <= instant:
                self.contracts = {other: c for other, c in self.contracts.items() if other != id}
                yield from _not_renewed(contract, end)

    def apply(self, happening: Happening) -> Iterator[TermOutcome]:
        """Apply an event; yields the terms that it renews or ends."""
        details = happening.details
        if isinstance(details, AccountDetails):
            if details.account not in (None, self._account):
                self._account = details.account
                self._since = happening.time
            return
        if happening.kind is EventKind.CLOSED:
            yield from self._close(happening.time)
            return
        assert isinstance(details, ContractTerms)  # noqa: S101
        before = self.contracts.get(details.contract_id)
        self.contracts = contracts_after(self.contracts, happening)
        if before is not None and happening.kind is EventKind.RENEWED:
            yield TermOutcome(before.renews_at, True)
        elif before is not None and (
            happening.kind is EventKind.CONCLUDED or details.contract_id not in self.contracts
        ):
            yield from _not_renewed(before, happening.time)

    def _close(self, time: datetime) -> Iterator[TermOutcome]:
        """End all contracts with the account."""
        contracts = self.contracts
        self.contracts = {}
        for contract in contracts.values():
            yield from _not_renewed(contract, time)

    def end(self, contract: Contract) -> datetime:
        """When a contract ends if nothing happens, by the policies in force one after the other."""
        if contract.ends_at is not None:
            return contract.ends_at
        at = max(contract.renews_at, self._since)
        while True:
            end = max(at, contract.end(self._schedule.at(at, self._account)))
            change = self._schedule.next_change(at, self._account)
            if change is None or end < change:
                return end
            at = change


def _not_renewed(
    contract: Contract, end: datetime, *, pending: bool = False
) -> Iterator[TermOutcome]:
    if contract.renews_at <= end:
        yield TermOutcome(contract.renews_at, False, pending)


async def _contract_histories(
    tx: Tx, period: Period, account: Account | None, schedule: Schedule
) -> AsyncIterator[Sequence[Happening]]:
    """Each customer's events of contracts before the end of the period."""
    by_account = any(activation.policy.account for activation in schedule.activations)
    statement = (_WITH_ACCOUNTS if by_account else _AGREEMENTS)[account]
    previous = None
    happenings = list[Happening]()
    async for customer, body in tx.cursor(
        statement, period.since, period.until, account, prefetch=AT_ONCE
    ):
        if customer != previous and happenings:
            yield happenings
            happenings = []
        previous = customer
        happening = read("", envelope.decode(body))
        assert isinstance(happening, Happening)  # noqa: S101
        happenings.append(happening)
    if happenings:
        yield happenings


async def _renewal_rate(tx: Tx, period: Period, account: Account | None) -> RenewalValue:
    schedule = await load_schedule(tx)
    possible = 0
    renewed = 0
    pending = 0
    async for happenings in _contract_histories(tx, period, account, schedule):
        for term in term_outcomes(happenings, schedule, period.since, period.until):
            possible += 1
            renewed += term.renewed
            pending += term.pending
    return RenewalValue(
        value=share(renewed, possible), possible=possible, renewed=renewed, pending=pending
    )


RENEWAL_RATE: Final = Figure(
    name="renewal_rate",
    formula="terms of contracts whose `renews_at` lies in the period that were renewed before `to` "
    "/ all such terms",
    source="event: contract.concluded, contract.renewed, contract.cancelled, customer.closed; "
    "policy: renewal_grace_days",
    unit=Unit.SHARE,
    value=RenewalValue,
    compute=_renewal_rate,
)
