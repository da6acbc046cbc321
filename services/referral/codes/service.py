"""The use cases of codes: issue one, in one transaction under the customer's lock, or show it."""

from services.referral.api.context import ApiContext
from services.referral.codes.issuer import CodeIssuer
from services.referral.codes.repository import find_code
from services.referral.codes.schemas import CodeView
from services.referral.customers.repository import load_people, lock_members, lock_people
from services.referral.idempotency.service import remember_request
from shared.database.connection import transaction
from shared.errors import Problem
from shared.stream.outgoing import outbox


class CodeService:
    """Issues and shows the codes of customers."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._issuer = CodeIssuer(context.announcer, context.code_secret)

    async def issue(self, customer: str, key: str | None) -> tuple[CodeView, bool]:
        """Issue a code if the customer has none. Returns the code, and whether it is new.

        For a merged customer it is that of the one who has stayed. Raises Problem 422
        "not_a_customer_id" and "idempotency_key_reused", and 503 "clock_not_started".
        """
        self._context.require_customer("customer", customer)
        survivor, is_new = await self._issue(customer, key)
        return await self.show(survivor), is_new

    async def show(self, customer: str) -> CodeView:
        """The customer's code. Raises Problem 404 "no_code"."""
        people = await load_people(self._context.pool, [customer])
        issued = await find_code(self._context.pool, customer, people.members(customer))
        if issued is None:
            raise Problem(404, "no_code", f"Customer {customer} has no code.")
        clock = await self._context.clock(self._context.pool, customer)
        return CodeView(
            customer=customer, code=issued.code, issued_at=issued.issued_at, as_of=clock
        )

    async def _issue(self, customer: str, key: str | None) -> tuple[str, bool]:
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            await lock_people(tx, to_change=False)
            people = await load_people(tx, [customer])
            survivor = people.survivor(customer)
            await lock_members(tx, people.members(customer))
            clock = await self._context.started_clock(tx, survivor)
            issued, messages = await self._issuer.issue(tx, {survivor: clock}, people)
            await outbox.add(tx, messages)
            await remember_request(tx, "codes", key, customer)
            return survivor, survivor in issued
