"""The schedule as stored: activations of policies and accepted fits, with numbers in common."""

from typing import Final

from services.lifecycle.codecs import decode_fit, decode_policy
from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from shared.clock import CLOCK_START
from shared.database.connection import Pool, Tx

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('lifecycle.schedule', 0))"
LATEST_NUMBER: Final = """
SELECT greatest(
    0, (SELECT max(number) FROM activation), (SELECT max(number) FROM fit WHERE accepted)
)
"""
"""The greatest number of an activation or accepted fit; 0 if there is none."""
_NUMBER: Final = "SELECT nextval('schedule_number')"
_SCHEDULE: Final = """
SELECT a.number, a.at, p.document, NULL AS parameters
FROM activation AS a JOIN policy AS p USING (name, version)
UNION ALL
SELECT number, effective_at, NULL, parameters FROM fit WHERE accepted
"""


async def load_schedule(connection: Tx | Pool) -> Schedule:
    """Load all activations and accepted fits.

    One statement reads both, so that nothing is missing up to the schedule's `known`.
    """
    activations: list[Activation] = []
    fits: list[Fit] = []
    for row in await connection.fetch(_SCHEDULE):
        if row["parameters"] is None:
            activations.append(Activation(row["number"], row["at"], decode_policy(row["document"])))
        else:
            fits.append(decode_fit(row["parameters"]))
    if all(activation.policy.account for activation in activations):
        activations.append(Activation(0, CLOCK_START, Policy()))
    return Schedule(activations, fits)


async def latest_number(connection: Tx | Pool) -> int:
    """Read the greatest number of an activation or accepted fit; 0 if there is none."""
    number: int = await connection.fetchval(LATEST_NUMBER)
    return number


async def lock_schedule(tx: Tx) -> None:
    """Wait for others who add to the schedule, and keep them out until the transaction ends."""
    await tx.execute(_LOCK)


async def next_number(tx: Tx) -> int:
    """Take the number of a new activation or fit.

    Nobody takes another until the transaction ends, so that numbers become visible in order.
    """
    await lock_schedule(tx)
    number: int = await tx.fetchval(_NUMBER)
    return number
