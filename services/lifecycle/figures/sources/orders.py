"""The orders of a period as they stand at its end: each once, less what was undone.

Parameters: $1 the first instant, $2 the first one after, $3 the account. What happens from $2 on
undoes nothing.
"""

from typing import Final

from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS

MORE_MEMORY: Final = "SET LOCAL work_mem = '32MB'"
"""So that a month's buyers need no temporary files."""

KEPT: Final = f"""
plain AS NOT MATERIALIZED (
    SELECT e.customer_key, e.time, e.currency, e.amount FROM event AS e
    WHERE e.type = 'order.completed' AND e.time >= $1 AND e.time < $2
        AND NOT EXISTS (
            SELECT FROM order_version AS v
            WHERE (v.customer_key, v.order_key) = (e.customer_key, e.order_key)
                AND v.at < $2
        )
),
bought AS (
    SELECT DISTINCT customer_key, order_key, store_key FROM order_version
    WHERE bought_at >= $1 AND bought_at < $2
),
changed AS (
    SELECT customer_key, v.bought_at AS time, v.currency, v.amount, v.stands
    FROM bought AS b
    CROSS JOIN LATERAL (
        SELECT v.bought_at, v.currency, v.amount, v.stands FROM order_version AS v
        WHERE (v.customer_key, v.order_key, v.store_key)
            = (b.customer_key, b.order_key, b.store_key) AND v.at < $2
        ORDER BY v.at DESC LIMIT 1
    ) AS v
),
kept AS (
    SELECT customer_key, time, currency, 1 AS orders, amount
    FROM plain AS e WHERE {COUNTED_EVENTS}
    UNION ALL
    SELECT customer_key, time, currency, 1, amount
    FROM changed AS e WHERE stands AND time >= $1 AND time < $2 AND {COUNTED_EVENTS}
)
"""  # noqa: S608  (constants)
"""The orders that stand, in columns to be summed up.

`time` is that of the purchase, `amount` what is left of it in minor units, `orders` is 1. Most are
plain: one event says all of them. The others have versions, of which the last before $2 holds.
"""
