"""The use case of customers: an operator releases one who is parked."""

from services.reactivation.announcements import SOURCE
from services.reactivation.api.context import ApiContext
from services.reactivation.customers.repository import find_customer
from services.reactivation.events import RELEASED
from shared.database.connection import transaction
from shared.errors import Problem
from shared.http import Requested
from shared.kafka.topics import WINBACK_EVENTS
from shared.stream.log.parked_customers import release_request
from shared.stream.outgoing import outbox


class CustomerService:
    """Releases customers who were parked."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def release(self, customer: str) -> Requested:
        """Ask the customer's owner, who alone folds, to fold what waits for a parked customer.

        Raises Problem 404 "unknown_customer" and 409 "not_parked".
        """
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            lapsed = await find_customer(tx, customer)
            if lapsed is None:
                raise Problem(404, "unknown_customer", f"Customer {customer} has never lapsed.")
            message = release_request(
                RELEASED, SOURCE, WINBACK_EVENTS, customer, lapsed.partition, parked=lapsed.parked
            )
            await outbox.add(tx, [message])
        return Requested()
