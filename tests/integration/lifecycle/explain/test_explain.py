"""The lifecycle API of reasons: phases as known at any time, explanations, and timelines."""

from typing import Any

import httpx
import pytest

from services.lifecycle.domain.state.phases import RuleName
from shared.http.pages import encode_cursor
from shared.instants import parse, render
from tests.integration.lifecycle.batch.test_parked import client
from tests.support.builders import day, event, order, tick
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, settled
from tests.support.server_stack import Stack


async def read(api: httpx.AsyncClient, path: str, language: str = "en", **query: Any) -> Any:
    answer = await api.get(
        f"/v1/customers/{path}", params=query, headers={"Accept-Language": language}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def phase(api: httpx.AsyncClient, customer: str, **days: float) -> Any:
    return await read(
        api, f"{customer}/phase", **{name: day(at).isoformat() for name, at in days.items()}
    )


async def happen(stack: Stack, database: str, *batches: list[dict[str, Any]]) -> None:
    """Each batch is applied before the next is sent."""
    for batch in batches:
        await publish(stack.bootstrap, batch)
        await settled(stack, database, "lifecycle")


# -- time travel


async def test_what_was_believed_before_a_late_event_is_still_known_after_it(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(
            stack,
            blank,
            [tick(0)],
            [order("ada", 1)],
            [tick(95)],
            [tick(97)],
            [order("ada", 80)],
            [tick(98)],
        )
        now = await phase(api, "ada")
        assert (now["phase"], now["rule"], now["since"]) == (
            "new",
            "first_purchase",
            "2024-01-02T12:00:00Z",
        )
        assert (now["as_of"], now["known_at"]) == ("2024-04-08T12:00:00Z", "2024-04-08T12:00:00Z")

        assert (await phase(api, "ada", as_of=92))["phase"] == "new", "as is known now"
        then = await phase(api, "ada", as_of=92, known_at=96)
        assert (then["phase"], then["rule"], then["version"], then["position"]) == (
            "at_risk",
            "silence_begins",
            2,
            2,
        )
        assert (then["since"], then["episode"]) == ("2024-04-01T12:00:00Z", 1)
        assert (await phase(api, "ada", as_of=90, known_at=96))["phase"] == "new", (
            "before the silence"
        )
        assert (await phase(api, "ada", known_at=96))["phase"] == "at_risk", "without as_of"
        assert (await phase(api, "ada", known_at=97))["phase"] == "new", "from the correction on"
        assert (await phase(api, "ada", as_of=92, known_at=94))["phase"] == "new", (
            "before it was noticed"
        )

        before = await phase(api, "ada", as_of=0.5)
        assert (before["phase"], before["reason"], before["since"]) == (
            None,
            "not_yet_customer",
            None,
        )
        unheard = await phase(api, "ada", known_at=-1)
        assert (unheard["phase"], unheard["reason"]) == (None, "not_yet_known")
        for field in ("as_of", "known_at"):
            refused = await api.get(f"/v1/customers/ada/phase?{field}=2024-04-08T12:00:01Z")
            assert (refused.status_code, refused.json()["code"]) == (422, f"{field}_in_future")
            assert refused.json()["errors"][0]["field"] == field
        unknown = await api.get("/v1/customers/nobody/phase?as_of=2024-01-01T00:00:00Z")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_customer")


async def test_a_phase_of_then_is_named_by_what_was_known_then(stack: Stack, blank: str) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(
            stack, blank, [tick(0)], [event("ben", "page.viewed", 1)], [tick(10)],
            [event("ben", "customer.signed_up", 2)], [tick(20)],
        )  # fmt: skip

        async def view(model: str, **days: float) -> tuple[str, str]:
            query = {name: day(at).isoformat() for name, at in days.items()}
            found = await read(api, "ben/phase", "de", model=model, **query)
            return found["view"], found["label"]

        assert await view("six_phase") == ("conversion", "Konversion")
        assert await view("six_phase", as_of=1.5) == ("awareness", "Aufmerksamkeit")
        assert await view("six_phase", as_of=5, known_at=9) == ("awareness", "Aufmerksamkeit")
        assert await view("six_phase", as_of=5, known_at=10) == ("conversion", "Konversion")
        assert await view("five_phase") == ("prospect", "Interessent")
        assert await view("activity") == ("active", "aktiv")


async def test_what_is_ahead_of_the_clock_is_known_at_once(stack: Stack, blank: str) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [order("hal", 1)])
        found = await phase(api, "hal")
        assert (found["phase"], found["as_of"]) == ("new", "2024-01-02T12:00:00Z")
        assert found["known_at"] == "1970-01-01T00:00:00Z", "the clock has not begun"
        assert (await phase(api, "hal", as_of=1))["phase"] == "new"


async def test_an_undone_return_gives_back_the_old_beginning(stack: Stack, blank: str) -> None:
    back = order("cy", 200, id="back")
    undone = event("cy", "order.cancelled", 210, order_id="back")
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [order("cy", 0), back, undone, tick(220)])
        found, shown = await phase(api, "cy"), await read(api, "cy")
        assert (found["phase"], found["rule"]) == ("inactive", "first_purchase_undone")
        assert found["since"] == shown["since"] == "2024-06-29T12:00:00Z"
        assert (await phase(api, "cy", as_of=205))["phase"] == "won_back"


# -- explanations


async def test_a_phase_is_explained_with_its_events_and_what_is_lacking(
    stack: Stack, blank: str
) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [order("dee", 0, id="first"), tick(10)])
        found = await read(api, "dee/explain", model="three_stage")
        assert (found["phase"], found["view"], found["transition"]["rule"]) == (
            "new",
            "acquisition",
            "first_purchase",
        )
        (because,) = found["evidence"]["events"]
        assert (because["type"], because["id"], because["time"]) == (
            "order.completed",
            "first",
            "2024-01-01T12:00:00Z",
        )
        assert because["data"]["total"] == {"amount": 1000, "currency": "EUR"}
        assert found["policy"]["name"] == "default"
        rules = {rule["rule"]: rule for rule in found["rules"]}
        assert list(rules) == [rule for rule in RuleName if rule in rules], (
            "in the order of the table"
        )
        assert rules["habit_formed"]["ways"] == [
            {"lacks": "2 more orders", "on": ["order.completed"], "deadline": None}
        ]
        assert (rules["habit_formed"]["to"], rules["habit_formed"]["view"]) == (
            "established",
            "retention",
        )
        assert rules["silence_begins"]["ways"] == [
            {
                "lacks": "no order until 2024-03-31T12:00Z",
                "on": [],
                "deadline": "2024-03-31T12:00:00Z",
            }
        ]
        assert (found["next_transition"]["rule"], found["cadence"], found["at_risk_by"]) == (
            "silence_begins",
            None,
            [],
        )
        assert found["summary"] == (
            "Customer dee has been a new customer since 1 January 2024:"
            " the customer bought for the first time. "
            "To be an established customer, this is lacking: 2 more orders. "
            "If nothing happens before, the customer will be at risk from 31 March 2024 on."
        )
        assert (await api.get("/v1/customers/nobody/explain")).status_code == 404


async def test_a_customer_at_risk_is_explained_by_all_causes(stack: Stack, blank: str) -> None:
    trouble = event("eve", "complaint.opened", 95, complaint_id="k7", severity=2)
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [order("eve", 0), trouble, tick(100)])
        found = await read(api, "eve/explain", "de")
        assert (found["label"], found["transition"]["rule"]) == (
            "abwanderungsgefährdet",
            "silence_begins",
        )
        assert (found["evidence"]["events"], found["evidence"]["deadline"]) == (
            [],
            "2024-03-31T12:00:00Z",
        )
        assert found["causes"] == ["complaint:k7", "silence"]
        assert [cause["ends_with"] for cause in found["at_risk_by"]] == [
            "complaint k7 resolved to the customer's satisfaction",
            "an order, or a contract concluded or renewed",
        ]
        recovered = next(rule for rule in found["rules"] if rule["rule"] == "recovered")
        assert (recovered["to"], recovered["label"]) == ("new", "Neukunde")
        assert recovered["ways"][0]["lacks"] == (
            "an order, or a contract concluded or renewed;"
            " and complaint k7 resolved to the customer's satisfaction"
        )
        assert "dissatisfied" not in [rule["rule"] for rule in found["rules"]]
        assert found["summary"].startswith(
            "Customer eve has been at risk since 31 March 2024: complaint k7 is not settled;"
            " there has been no order for too long."
        )


@pytest.mark.parametrize("part", ["phase", "explain", "timeline"])
async def test_a_merged_customer_is_named_where_it_went(
    stack: Stack, blank: str, part: str
) -> None:
    merge = event("old", "customer.merged", 2, into="new id")
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [order("old", 0), order("new id", 1), merge, tick(3)])
        moved = await api.get(f"/v1/customers/old/{part}?model=cxm")
        assert moved.status_code == 301
        assert moved.headers["location"] == f"/v1/customers/new%20id/{part}?model=cxm"
        assert (await api.get(moved.headers["location"])).status_code == 200


async def test_evidence_that_a_merge_has_brought_is_shown(stack: Stack, blank: str) -> None:
    merge = event("old", "customer.merged", 2, into="ann")
    bought = order("old", 1)
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [bought, merge, tick(3)])
        found = await read(api, "ann/explain")
    assert found["transition"]["rule"] == "first_purchase"
    assert [shown["id"] for shown in found["evidence"]["events"]] == [bought["id"]]


# -- timelines


def entries(items: list[dict[str, Any]]) -> list[str]:
    names = {"event": "type", "transition": "rule", "hint": "name"}
    days = [(parse(item["time"]) - day(0)).days for item in items]
    return [
        f"{at} {item['kind']} {item[names[item['kind']]]}"
        for at, item in zip(days, items, strict=True)
    ]


async def test_all_that_happened_is_listed_newest_first(stack: Stack, blank: str) -> None:
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(
            stack, blank, [tick(0)], [order("fay", 1)], [tick(95)], [order("fay", 80)], [tick(100)]
        )
        found = await read(api, "fay/timeline", model="five_phase")
        assert entries(found["items"]) == [
            "80 event order.completed",
            "8 hint survey.due",
            "1 hint incentive.due",
            "1 transition first_purchase",
            "1 event order.completed",
        ]
        late, moved = found["items"][0], found["items"][-2]
        assert (late["recorded_at"], late["source"], late["data"]["order_id"]) == (
            "2024-04-05T12:00:00Z", "/shop", late["id"],
        )  # fmt: skip
        assert (moved["to"], moved["view"], moved["from"]) == ("new", "new_customer", None)
        assert found["as_of"] == "2024-04-10T12:00:00Z"
        everything = (await read(api, "fay/timeline", all="true"))["items"]
        (void,) = [
            item
            for item in everything
            if item not in found["items"] and item["kind"] == "transition" and item["withdrawn"]
        ]
        assert (void["rule"], void["withdrawn"], void["withdrawn_at"]) == (
            "silence_begins",
            3,
            "2024-04-05T12:00:00Z",
        )
        assert (await api.get("/v1/customers/nobody/timeline")).status_code == 404


async def test_events_of_one_instant_are_listed_with_the_effect_before_the_cause(
    stack: Stack, blank: str
) -> None:
    types = [
        "customer.signed_up",
        "complaint.opened",
        "complaint.answered",
        "order.refunded",
        "order.refund_withdrawn",
    ]
    amount = {"amount": 100, "currency": "EUR"}
    happened = [
        event("joe", kind, 1, id=f"e{number}", complaint_id="k", order_id="o", amount=amount)
        for number, kind in enumerate(types)
    ]
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [*happened, tick(2)])
        found = (await read(api, "joe/timeline", limit=3))["items"]
        everything = (await read(api, "joe/timeline"))["items"]
    assert [item["type"] for item in everything if item["kind"] == "event"] == types[::-1]
    assert found == everything[:3]


async def test_events_that_were_set_aside_are_listed_with_the_reason(
    stack: Stack, blank: str
) -> None:
    first = order("ida", 1, id="o1")
    other_content = {**order("ida", 2, id="o1"), "time": day(2).isoformat()}
    invalid = {**event("ida", "order.completed", 3), "data": {"order_id": 7}}
    unknown = event("ida", "no.such", 4)
    timeless = {**event("ida", "page.viewed", 4, id="v"), "time": "yesterday"}
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [first, other_content, invalid, unknown, first, tick(5)])
        await happen(stack, blank, [timeless, tick(6)])
        found = (await read(api, "ida/timeline"))["items"]
        one_page = await read(api, "ida/timeline", limit=4)
    letters = [item for item in found if item["kind"] == "dead_letter"]
    assert [(item["type"], item["reason"]) for item in letters] == [
        ("page.viewed", "undecodable"),
        ("no.such", "unknown_type"),
        ("order.completed", "invalid_data"),
        ("order.completed", "conflicting_duplicate"),
    ]
    assert (letters[-1]["id"], letters[-1]["because"]) == (
        "o1",
        "other content came under this id before; what came first holds, and this does not",
    )
    assert letters == one_page["items"], "in their place by the time of the event"
    when = render(day(5))
    assert (letters[0]["id"], letters[0]["time"], letters[0]["recorded_at"]) == ("v", when, when)


async def test_pages_of_a_timeline_hold_while_events_arrive(stack: Stack, blank: str) -> None:
    views = [event("gil", "page.viewed", n, id=f"v{n}") for n in (1, 2, 2, 3, 4, 5)]
    twins = [event("gil", "page.viewed", 3, id=f"twin{n}") for n in range(4)]
    async with worker(stack, blank), client(stack, blank) as api:
        await happen(stack, blank, [*views, *twins, tick(6)])
        whole = (await read(api, "gil/timeline"))["items"]
        assert len(whole) == 10
        seen, cursor = list[Any](), None
        while True:
            page = await read(
                api, "gil/timeline", limit=3, **({"cursor": cursor} if cursor else {})
            )
            seen += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            if len(seen) == 3:
                newer, late = (
                    event("gil", "page.viewed", 6, id="newer"),
                    event("gil", "page.viewed", 1.5, id="late"),
                )
                await happen(stack, blank, [newer, late, tick(7)])
        assert [
            item["id"] for item in seen if item["kind"] == "event" and item["id"] != "late"
        ] == [item["id"] for item in whole if item["kind"] == "event"]
        assert "late" in [item.get("id") for item in seen]
        assert sum(item["kind"] == "transition" for item in seen) == 1
        broken = await api.get("/v1/customers/gil/timeline?cursor=xyz")
        assert (broken.status_code, broken.json()["code"]) == (422, "invalid_cursor")
        forged = encode_cursor(day(9), 2**63 - 1, 0, 0)
        assert (
            await api.get("/v1/customers/gil/timeline", params={"cursor": forged})
        ).status_code == 200
