"""The use case of customers: an operator releases one who is parked."""

from services.referral.api.context import ApiContext
from services.referral.customers.repository import find_parked
from shared.database.connection import transaction
from shared.http import Requested
from shared.stream.outgoing import outbox


class CustomerService:
    """Releases customers who were parked."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def release(self, customer: str) -> Requested:
        """Ask the customer's owner to judge a parked customer again.

        Raises Problem 409 "not_parked".
        """
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            parked = await find_parked(tx, customer)
            message = self._context.announcer.customer_released(customer, parked=parked)
            await outbox.add(tx, [message])
        return Requested()
