"""Customers by their ids: each as of now, or who it has become."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.lists.hits import Hit, hits_of
from services.lifecycle.lists.repository import ListedCustomer, find_customers
from shared.aio import in_chunks
from shared.database.connection import Tx


@dataclass(slots=True)
class FoundCustomers:
    """The customers looked up, and those that they were merged into, by id."""

    hits: dict[str, Hit] = field(default_factory=dict)
    without_phase: dict[str, ListedCustomer] = field(default_factory=dict)
    """Merged customers are among them."""

    def end_of_chain(self, customer: str) -> str:
        """Who a customer is now."""
        while (row := self.without_phase.get(customer)) and row.merged_into:
            customer = row.merged_into
        return customer


async def find_all(tx: Tx, customers: Sequence[str], schedule: Schedule) -> FoundCustomers:
    """Find customers, and follow merges to the end."""
    found = FoundCustomers()
    wanted = [*dict.fromkeys(customers)]
    while wanted:
        rows = await find_customers(tx, wanted)
        async for chunk in in_chunks([row for row in rows.values() if row.state.phase]):
            found.hits |= {hit.row.customer: hit for hit in hits_of(chunk, schedule)}
        found.without_phase |= {id: row for id, row in rows.items() if id not in found.hits}
        into = dict.fromkeys(row.merged_into for row in rows.values() if row.merged_into)
        wanted = [id for id in into if id not in found.hits and id not in found.without_phase]
    return found
