"""Codes: one per customer, issued once."""

from collections.abc import Mapping
from datetime import datetime

from services.referral.announcements import Announcer
from services.referral.claims import repository
from services.referral.domain.codes import code_of
from shared.database.connection import Tx
from shared.stream.outgoing.outbox import Message


async def issue(
    tx: Tx, wanted: Mapping[str, datetime], announcer: Announcer
) -> tuple[dict[str, str], list[Message]]:
    """Give a code to each of these customers (locked, with the instant) who has none; returns the new ones.

    Referees who named one of them before it was issued are told by an internal event, for their owners to judge anew.
    """
    if not wanted:
        return {}, []
    known = await repository.codes_of(tx, wanted)
    issued: dict[str, str] = {}
    attempt = 0
    while missing := wanted.keys() - known.keys() - issued.keys():
        codes = {customer: code_of(customer, attempt) for customer in sorted(missing)}
        issued |= await repository.add_codes(tx, codes, wanted)
        attempt += 1
    messages = [
        announcer.code_issued(customer, code, wanted[customer]) for customer, code in issued.items()
    ]
    owners = {code: customer for customer, code in issued.items()}
    for referee, code in await repository.waiting_for(tx, owners):
        messages.append(announcer.code_found(referee, code, wanted[owners[code]]))
    return issued, messages
