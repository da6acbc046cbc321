"""The orders of a period as they stand at its end: each once, less what was undone.

Parameters: $1 the first instant, $2 the first one after, $3 the account. What happens from $2 on
undoes nothing.
"""

from typing import Final

from services.lifecycle.figures.sources.account_filter import COUNTED_EVENTS

MORE_MEMORY: Final = "SET LOCAL work_mem = '32MB'"
"""So that a month's buyers need no temporary files."""
_SINGLE_ORDERS: Final = """
named AS MATERIALIZED (
    SELECT DISTINCT e.customer_key, e.order_key
    FROM event AS e JOIN retold AS r USING (customer_key, order_key)
    WHERE e.type = 'order.completed' AND e.time >= $1 AND e.time < $2
),
singly AS (
    SELECT o.customer_key, o.time, o.currency, o.amount, u.*
    FROM named AS n
    CROSS JOIN LATERAL (
        SELECT e.* FROM event AS e
        CROSS JOIN LATERAL json_to_record(convert_from(e.body, 'UTF8')::json)
            AS said(source text, id text)
        WHERE (e.customer_key, e.order_key) = (n.customer_key, n.order_key)
            AND e.type = 'order.completed'
        ORDER BY e.time, said.source COLLATE "C", said.id COLLATE "C" LIMIT 1
    ) AS o
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(e.amount), 0) AS back,
            coalesce(bool_or(e.amount IS NULL) OR sum(e.amount) >= o.amount, false) AS whole,
            coalesce(
                bool_or(e.amount IS NULL) FILTER (WHERE e.time < o.time)
                OR sum(e.amount) FILTER (WHERE e.time < o.time) >= o.amount, false
            ) AS before
        FROM event AS e
        WHERE (e.customer_key, e.order_key) = (n.customer_key, n.order_key)
            AND e.type IN ('order.refunded', 'order.cancelled') AND e.time < $2
            AND (e.amount IS NULL OR e.currency = o.currency)
    ) AS u
    WHERE o.time >= $1
)
"""
"""The few orders that several events report, or that were undone before they were reported."""

_PLAIN_ORDERS: Final = """
plain AS NOT MATERIALIZED (
    SELECT e.customer_key, e.order_key, e.time, e.currency, e.amount FROM event AS e
    WHERE e.type = 'order.completed' AND e.time >= $1 AND e.time < $2
        AND NOT EXISTS (
            SELECT FROM retold AS r
            WHERE (r.customer_key, r.order_key) = (e.customer_key, e.order_key)
        )
),
undone AS (
    SELECT p.customer_key, p.time, p.currency, p.amount, sum(u.amount) AS back,
        bool_or(u.amount IS NULL) OR sum(u.amount) >= p.amount AS whole
    FROM plain AS p
    JOIN event AS u ON (u.customer_key, u.order_key) = (p.customer_key, p.order_key)
        AND u.type IN ('order.refunded', 'order.cancelled') AND u.time >= $1 AND u.time < $2
        AND (u.amount IS NULL OR u.currency = p.currency)
    GROUP BY p.customer_key, p.order_key, p.time, p.currency, p.amount
)
"""
"""All other orders: one event reports each, and whatever undoes it comes later."""

KEPT: Final = f"""
{_SINGLE_ORDERS}, {_PLAIN_ORDERS},
kept AS (
    SELECT customer_key, time, currency, 1 AS bought, 1 AS orders, amount
    FROM plain AS e WHERE {COUNTED_EVENTS}
    UNION ALL
    SELECT customer_key, time, currency, 0, -whole::int,
        -CASE WHEN whole THEN amount ELSE back::bigint END
    FROM undone
    UNION ALL
    SELECT customer_key, time, currency, 1 - before::int, 1 - whole::int,
        CASE WHEN whole THEN 0 ELSE amount - back::bigint END
    FROM singly AS e WHERE {COUNTED_EVENTS}
)
"""  # noqa: S608  (constants)
"""Rows to be summed up: `bought` counts orders that stood at first, `orders` those that still do.

`time` is that of the order, `amount` what is left of it in minor units. Customers who do not count
have rows only for what was undone: their sums of `orders` are never above 0.
"""
