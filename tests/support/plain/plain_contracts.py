"""What a customer's contracts are after the events so far, in the plainest way."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.support.plain.plain_events import PlainEvent

ENDED = "(contract ended)"
"""What the fold puts among the events when a contract has ended by time."""


@dataclass
class PlainContract:
    """A running contract: a term of so many `months`.

    It renews so many months as are `counted` after an instant, so that no month is clamped twice.
    It ends at `ends_at` if it is cancelled, else after its grace.
    """

    contract_id: str
    months: int
    counts_from: datetime
    counted: int
    cancelled_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def renews_at(self) -> datetime:
        """When the present term ends."""
        return add_months(self.counts_from, self.counted)


@dataclass
class PlainContracts:
    """The running contracts, and the places among the events at which any began or were renewed."""

    running: dict[str, PlainContract] = field(default_factory=dict)
    began: list[int] = field(default_factory=list)
    renewed: list[int] = field(default_factory=list)


def contracts_of(events: Sequence[PlainEvent]) -> PlainContracts:
    """Go through the events from the first one on."""
    contracts = PlainContracts()
    for place, event in enumerate(events):
        if event.type == "contract.concluded":
            _conclude(contracts, event, place)
        elif event.type == "contract.renewed":
            _renew(contracts, event, place)
        elif event.type == "contract.cancelled":
            _cancel(contracts, event)
        elif event.type == ENDED:
            contracts.running.pop(event.data["contract_id"])
        elif event.type == "customer.closed":
            contracts.running.clear()
    return contracts


def add_months(instant: datetime, months: int) -> datetime:
    """Add calendar months, clamped to the last day of the month."""
    month = instant.month - 1 + months
    year = instant.year + month // 12
    last = monthrange(year, month % 12 + 1)[1]
    return instant.replace(year=year, month=month % 12 + 1, day=min(instant.day, last))


def _conclude(contracts: PlainContracts, event: PlainEvent, place: int) -> None:
    contract_id = event.data["contract_id"]
    months = event.data["term_months"]
    renews_at = event.instant("renews_at")
    counts_from = renews_at or event.time
    counted = 0 if renews_at else months
    _begin(contracts, PlainContract(contract_id, months, counts_from, counted), place)


def _begin(contracts: PlainContracts, contract: PlainContract, place: int) -> None:
    if contract.contract_id not in contracts.running:
        contracts.began.append(place)
    contracts.running[contract.contract_id] = contract


def _renew(contracts: PlainContracts, event: PlainEvent, place: int) -> None:
    contract_id = event.data["contract_id"]
    contract = contracts.running.get(contract_id)
    if contract is None:
        months = event.data.get("term_months") or 12
        _begin(contracts, PlainContract(contract_id, months, event.time, months), place)
        return
    contracts.renewed.append(place)
    months = event.data.get("term_months") or contract.months
    contracts.running[contract_id] = PlainContract(
        contract_id, months, contract.counts_from, contract.counted + months
    )


def _cancel(contracts: PlainContracts, event: PlainEvent) -> None:
    contract = contracts.running.get(event.data["contract_id"])
    if contract is None:
        return
    contract.cancelled_at = event.time
    contract.ends_at = max(event.instant("effective_at") or event.time, event.time)
    if contract.ends_at == event.time:
        contracts.running.pop(contract.contract_id)
