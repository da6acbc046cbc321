"""Issues codes: one per customer, once."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from services.referral.announcements import Announcer
from services.referral.codes.repository import (
    assign_codes,
    load_codes,
    load_waiting_referees,
    lock_codes,
)
from services.referral.domain.codes import code_of
from shared.database.connection import Tx
from shared.identities import Identities
from shared.stream.outgoing.outbox import Message


@dataclass(frozen=True, slots=True)
class CodeIssuer:
    """Gives codes to locked customers; `secret` makes the new ones."""

    announcer: Announcer
    secret: bytes = field(repr=False)

    async def issue(
        self,
        tx: Tx,
        wanted: Mapping[str, datetime],
        people: Identities,
        named: Collection[str] = (),
    ) -> tuple[dict[str, str], list[Message]]:
        """Give a code to each of these customers who has none; `wanted` says when, by customer.

        A person has one code: that of any of its ids will do, whichever secret made it. Codes that
        are `named` in the same transaction are locked together with those that are issued.
        Returns the new codes by customer, and what to announce: an internal event asks the owners
        of referees who named one of the codes before it was issued to judge them again.
        """
        owners = await load_codes(tx, people.all_members(wanted))
        missing = {id for id in wanted if not owners.keys() & people.members(id)}
        issued = await self._assign(tx, missing, wanted, named)
        messages = [self.announcer.code_issued(id, code, wanted[id]) for id, code in issued.items()]
        issued_to = {code: customer for customer, code in issued.items()}
        for referee, code in await load_waiting_referees(tx, issued_to):
            messages.append(self.announcer.code_found(referee, code, wanted[issued_to[code]]))
        return issued, messages

    async def _assign(
        self,
        tx: Tx,
        customers: Set[str],
        wanted: Mapping[str, datetime],
        named: Collection[str],
    ) -> dict[str, str]:
        """Lock codes, and give each customer the first one that no other has."""
        issued: dict[str, str] = {}
        for attempt in count():
            missing = sorted(customers - issued.keys())
            codes = {customer: code_of(customer, self.secret, attempt) for customer in missing}
            await lock_codes(tx, {*named, *codes.values()})
            issued |= await assign_codes(tx, codes, wanted)
            if len(issued) == len(customers):
                break
        return issued
