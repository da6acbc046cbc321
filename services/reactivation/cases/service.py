"""An operator's release of a parked customer: a request to the customer's owner, who alone folds what waits."""

from services.reactivation.announcements import SOURCE
from services.reactivation.cases import search
from services.reactivation.events import RELEASED
from shared.database.connection import Pool, transaction
from shared.errors import Problem
from shared.kafka.topics import WINBACK_EVENTS
from shared.stream.log import parked
from shared.stream.outgoing import outbox


async def request(pool: Pool, customer: str) -> None:
    """Ask that what waits for a parked customer be folded. Raises Problem 404 or 409."""
    async with pool.acquire() as connection, transaction(connection) as tx:
        found = await search.customer_by_id(tx, customer)
        if found is None:
            raise Problem(404, "unknown_customer", f"Customer {customer} has never lapsed.")
        message = parked.release(
            RELEASED, SOURCE, WINBACK_EVENTS, customer, found.partition, parked=found.parked
        )
        await outbox.add(tx, [message])
