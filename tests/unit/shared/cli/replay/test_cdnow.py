"""The CDNOW log as events."""

import json
from collections import Counter

from shared.cli.replay import cdnow


def test_the_log_is_complete_in_order_and_without_double_ids() -> None:
    events = [json.loads(line) for line in cdnow.lines()]
    assert len(events) == len({event["id"] for event in events}) == 69_659
    assert len({event["subject"] for event in events}) == 23_570
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert (times[0], times[-1][:10]) == ("1997-01-01T12:00:00Z", "1998-06-30")
    assert max(Counter((event["subject"], event["time"]) for event in events).values()) == 1


def test_further_orders_of_a_day_are_a_minute_apart_and_money_is_whole_cents() -> None:
    rows = [
        " 00002 19970112  1   12.00",
        " 00003 19970112  2   20.76",
        " 00002 19970112  5   77.29",
    ]
    events = [json.loads(cdnow.encode(purchase)) for purchase in cdnow.read(rows)]
    assert [event["time"] for event in events] == [
        "1997-01-12T12:00:00Z",
        "1997-01-12T12:00:00Z",
        "1997-01-12T12:01:00Z",
    ]
    assert events[2] == {
        "specversion": "1.0",
        "id": "cdnow-00002-19970112-1",
        "source": "/cdnow",
        "type": "order.completed",
        "subject": "cdnow:00002",
        "time": "1997-01-12T12:01:00Z",
        "data": {
            "order_id": "cdnow-00002-19970112-1",
            "total": {"amount": 7729, "currency": "USD"},
            "items": events[2]["data"]["items"],
        },
    }
