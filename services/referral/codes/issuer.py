"""Issues codes: one per customer, once."""

from collections.abc import Mapping
from datetime import datetime

from services.referral.announcements import Announcer
from services.referral.codes.repository import add_codes, load_codes, load_waiting_referees
from services.referral.domain.codes import code_of
from shared.database.connection import Tx
from shared.identities import Identities
from shared.stream.outgoing.outbox import Message


async def issue_codes(
    tx: Tx,
    wanted: Mapping[str, datetime],
    people: Identities,
    announcer: Announcer,
    secret: bytes,
) -> tuple[dict[str, str], list[Message]]:
    """Give a code to each of these locked customers who has none; `wanted` says when, by customer.

    A person has one code: the code of any of its ids will do, under whichever secret it was made.
    Returns the new codes by customer, and what to announce: an internal event asks the owners of
    referees who named one of the codes before it was issued to judge them again.
    """
    if not wanted:
        return {}, []
    owners = await load_codes(tx, people.all_members(wanted))
    known = {customer for customer in wanted if owners.keys() & people.members(customer)}
    issued: dict[str, str] = {}
    attempt = 0
    while missing := wanted.keys() - known - issued.keys():
        codes = {customer: code_of(customer, secret, attempt) for customer in sorted(missing)}
        issued |= await add_codes(tx, codes, wanted)
        attempt += 1
    messages = [
        announcer.code_issued(customer, code, wanted[customer]) for customer, code in issued.items()
    ]
    issued_to = {code: customer for customer, code in issued.items()}
    for referee, code in await load_waiting_referees(tx, issued_to):
        messages.append(announcer.code_found(referee, code, wanted[issued_to[code]]))
    return issued, messages
