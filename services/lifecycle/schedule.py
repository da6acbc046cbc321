"""What is in force: every activation of a policy and every accepted fit, in one numbered schedule."""

from typing import Final

import msgspec

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from shared.clock import DAWN
from shared.database.connection import Pool, Tx

_policy: Final = msgspec.json.Decoder(Policy)
_fit: Final = msgspec.json.Decoder(Fit)

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('lifecycle.schedule', 0))"
"""Held to the end of the transaction by everything that adds to the schedule."""
KNOWN: Final = "SELECT greatest(0, (SELECT max(number) FROM activation), (SELECT max(number) FROM fit WHERE accepted))"
"""The greatest number of an activation or accepted fit; 0 if there is none."""
_NUMBER: Final = "SELECT nextval('schedule_number')"
_SCHEDULE: Final = """
SELECT a.number, a.at, p.document, NULL AS parameters FROM activation AS a JOIN policy AS p USING (name, version)
UNION ALL SELECT number, effective_at, NULL, parameters FROM fit WHERE accepted
"""


async def load_schedule(connection: Tx | Pool) -> Schedule:
    """All activations and accepted fits, in one statement: what it knows has no gap below `known`."""
    activations, fits = [], []
    for row in await connection.fetch(_SCHEDULE):
        if row["parameters"] is None:
            activations.append(
                Activation(row["number"], row["at"], _policy.decode(row["document"]))
            )
        else:
            fits.append(_fit.decode(row["parameters"]))
    if all(activation.policy.account for activation in activations):
        activations.append(Activation(0, DAWN, Policy()))
    return Schedule(activations, fits)


async def latest_number(connection: Tx | Pool) -> int:
    """The greatest number of an activation or accepted fit; 0 if there is none."""
    number: int = await connection.fetchval(KNOWN)
    return number


async def next_number(tx: Tx) -> int:
    """A number for an activation or a fit. Until the transaction ends nobody takes another: none shows before it."""
    await tx.execute(LOCK)
    number: int = await tx.fetchval(_NUMBER)
    return number
