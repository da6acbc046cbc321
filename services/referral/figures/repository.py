"""SQL that counts codes, claims and rewards."""

from datetime import datetime
from typing import Final

from shared.database.connection import Pool, Tx

_CODES: Final = "SELECT count(customer) FROM code"
_CLAIMS: Final = """
SELECT CASE WHEN state = 'accepted' AND expires_at < $1 THEN 'expired' ELSE state END AS name,
       count(*) AS n
FROM claim GROUP BY name
"""
_REWARDS: Final = "SELECT state AS name, count(*) AS n FROM reward WHERE NOT moved GROUP BY state"


async def count_codes(source: Pool | Tx) -> int:
    """The number of customers who have a code."""
    return int(await source.fetchval(_CODES) or 0)


async def count_claims(source: Pool | Tx, clock: datetime) -> dict[str, int]:
    """The number of claims by state, as of the clock; states without claims are left out."""
    return {row["name"]: row["n"] for row in await source.fetch(_CLAIMS, clock)}


async def count_rewards(source: Pool | Tx) -> dict[str, int]:
    """The number of rewards of both sides by state; states without rewards are left out."""
    return {row["name"]: row["n"] for row in await source.fetch(_REWARDS)}
