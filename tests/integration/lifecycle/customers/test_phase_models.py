"""The lifecycle API names phases in other models, as of any instant, in German and English."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from services.lifecycle.domain.phase_models import Model, labels_of
from shared.http import Language
from tests.integration.lifecycle.batch.test_parked import client
from tests.support.builders import day, event, order, tick
from tests.support.lifecycle_worker import worker
from tests.support.pipeline import publish, settled
from tests.support.server_stack import Stack

DAY: Final = timedelta(days=1)
GERMAN = {"Accept-Language": "de"}
LIFE = [
    event("ada", "page.viewed", 0),
    event("ada", "customer.signed_up", 10),
    order("ada", 20),
    event("ada", "product.activated", 30, product="app"),
    event("ada", "customer.signed_up", 35, id="again"),
]
"""A prospect, signed up on day 10, new on day 20, activated on day 30, at risk on day 110."""


async def read(
    api: httpx.AsyncClient, path: str, language: Language = Language.ENGLISH, **query: str
) -> Any:
    answer = await api.get(path, params=query, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-language"] == language
    return answer.json()


async def counted(api: httpx.AsyncClient, model: str, at: float) -> dict[str, int]:
    counts = (await read(api, "/v1/phases", model=model, as_of=day(at).isoformat()))["counts"]
    return {code: n for code, n in counts.items() if n}


async def test_a_phase_is_named_in_every_model_and_counted_as_of_any_instant(
    stack: Stack, blank: str
) -> None:
    others = [
        order("ben", 1),
        order("cy", 2),
        event("nobody", "consent.granted", 1, channel="email", purpose="news"),
    ]
    await publish(stack.bootstrap, [*LIFE, *others, tick(100)])
    async with worker(stack, blank), client(stack, blank) as api:
        await settled(stack, blank, "lifecycle")

        plain = await read(api, "/v1/customers/ada")
        assert (plain["phase"], plain["model"], plain["view"], plain["label"]) == (
            "new",
            None,
            "new",
            "new customer",
        )
        six = await read(api, "/v1/customers/ada", Language.GERMAN, model="six_phase")
        assert (six["phase"], six["model"], six["view"], six["label"]) == (
            "new", "six_phase", "activation", "Aktivierung",
        )  # fmt: skip
        assert (six["next_transition"]["to"], six["next_transition"]["label"]) == (
            "at_risk",
            "Erneuerung",
        )
        activity = await read(api, "/v1/customers/ada", Language.GERMAN, model="activity")
        assert (activity["view"], activity["next_transition"]["view"]) == ("active", "active"), (
            "until day 120"
        )
        assert (await read(api, "/v1/customers/ben", model="activity"))["view"] == "passive"

        assert await counted(api, "six_phase", 0.5) == {"awareness": 1}
        assert await counted(api, "six_phase", 9.9) == {"awareness": 1, "purchase": 2}
        assert await counted(api, "six_phase", 10) == {"conversion": 1, "purchase": 2}
        assert await counted(api, "six_phase", 29) == {"purchase": 3}
        assert await counted(api, "six_phase", 30) == {"purchase": 2, "activation": 1}
        assert await counted(api, "activity", 90) == {"active": 3}
        assert await counted(api, "activity", 91) == {"active": 2, "passive": 1}
        assert await counted(api, "five_phase", 5) == {"prospect": 1, "new_customer": 2}

        for model in Model:
            answer = await read(api, "/v1/phases", Language.GERMAN, model=model)
            assert answer["model"] == model
            assert (
                list(answer["counts"])
                == list(answer["labels"])
                == [found.code for found in labels_of(model)]
            )
            assert list(answer["labels"].values()) == [found.german for found in labels_of(model)]
            assert sum(answer["counts"].values()) == 3
        whole = await read(api, "/v1/phases")
        assert (whole["model"], whole["counts"]["at_risk"], whole["labels"]["at_risk"]) == (
            None,
            2,
            "at risk",
        )


EVENTS = [
    *LIFE,
    order("ben", 1),
    order("dan", 4, id="b"),
    event("dan", "customer.signed_up", 4, id="a"),
    order("cy", 2, id="cy"),
    event("cy", "product.activated", 3),
    event("cy", "order.cancelled", 5, order_id="cy"),
    event("cy", "customer.signed_up", 7),
    event("cy", "product.activated", 20, id="again"),
    order("cy", 30),
    order("eve", 0),
    order("eve", 200, id="eve"),
    event("eve", "product.activated", 201),
    event("eve", "order.cancelled", 205, order_id="eve"),
    order("fay", 0),
    order("fay", 200),
    event("gus", "customer.signed_up", 3),
    order("gus", 6),
    event("gus", "product.activated", 12),
    event("hal", "page.viewed", 2),
    event("ivy", "customer.signed_up", 8),
    event("joe", "consent.granted", 1, channel="email", purpose="news"),
    event("kim", "page.viewed", 50),
    event("kim", "customer.signed_up", 50.2),
    order("kim", 50.3, id="kim"),
    event("kim", "product.activated", 50.4),
    event("kim", "order.cancelled", 50.45, order_id="kim"),
    event("lea", "customer.signed_up", 9, account="b2c"),
    event("lea", "customer.updated", 11, account="b2b"),
    event("mia", "page.viewed", 60),
    event("mia", "customer.signed_up", 61),
    order("mia", 70),
    event("nia", "product.activated", 15),
    event("nia", "product.activated", 15, id="again"),
    order("nia", 15.2),
]
LATE = [
    event("ben", "customer.signed_up", 0.6),
    event("fay", "product.activated", 15),
    order("mia", 65),
    event("ivy", "customer.signed_up", 6),
    event("gus", "customer.merged", 40, into="hal"),
    event("gus", "session.signed_in", 100),
    event("nia", "product.activated", 14.9),
    order("lea", 12),
    event("lea", "product.activated", 12),
    order("eve", 0.2),
    event("kim", "product.activated", 50.1),
]
CUSTOMERS = sorted({told["subject"] for told in [*EVENTS, *LATE]})


async def one_by_one(api: httpx.AsyncClient, model: str, at: float) -> dict[str, int]:
    """Ask about every customer alone."""
    found = Counter[str]()
    for customer in CUSTOMERS:
        answer = await api.get(
            f"/v1/customers/{customer}/phase", params={"model": model, "as_of": day(at).isoformat()}
        )
        assert answer.status_code in (200, 301, 404), answer.text
        if answer.status_code == 200 and (view := answer.json()["view"]):
            found[view] += 1
    return found


@pytest.mark.parametrize("model", [Model.SIX_PHASE, Model.ACTIVITY])
async def test_counts_are_those_of_all_customers_one_by_one_at_any_instant_however_late_events_are(
    stack: Stack, blank: str, model: Model
) -> None:
    edges = {0.0, 0.5, 1.5, 49.5, 50.25, 50.35, 50.42, 50.5, 93.3, 106, 140.4, 190, 203, 210}
    instants = sorted(
        edges | {(datetime.fromisoformat(told["time"]) - day(0)) / DAY for told in [*EVENTS, *LATE]}
    )
    async with worker(stack, blank), client(stack, blank) as api:
        for part in (EVENTS, LATE):
            await publish(
                stack.bootstrap, [*sorted(part, key=lambda told: str(told["time"])), tick(220)]
            )
            await settled(stack, blank, "lifecycle")
            counts = [await counted(api, model, at) for at in instants]
            assert counts == [await one_by_one(api, model, at) for at in instants]
        assert (await api.get("/v1/customers/gus")).status_code == 301
        assert len({frozenset(count.items()) for count in counts}) > 10


async def test_a_history_is_named_as_of_each_transition(stack: Stack, blank: str) -> None:
    await publish(stack.bootstrap, [*LIFE, tick(201)])
    async with worker(stack, blank), client(stack, blank) as api:
        await settled(stack, blank, "lifecycle")

        async def told(model: str) -> list[tuple[str | None, ...]]:
            items = (await read(api, "/v1/customers/ada/history", Language.GERMAN, model=model))[
                "items"
            ]
            return [(t["rule"], t["from_view"], t["view"]) for t in reversed(items)]

        assert await told("six_phase") == [
            ("first_contact", None, "awareness"),
            ("first_purchase", "conversion", "purchase"),
            ("silence_begins", "activation", "renewal"),
            ("fell_silent", "renewal", "renewal"),
        ]
        assert [view for _, _, view in await told("activity")] == [
            "active",
            "active",
            "active",
            "passive",
        ]
        (newest, *_), (oldest,) = (
            (await read(api, "/v1/customers/ada/history"))["items"],
            (await read(api, "/v1/customers/ada/history", limit="1", model="cxm"))["items"],
        )
        assert (newest["from_label"], newest["label"], newest["model"]) == (
            "at risk",
            "inactive customer",
            None,
        )
        assert (oldest["from"], oldest["from_label"], oldest["to"], oldest["label"]) == (
            "at_risk", "active", "inactive", "passive",
        )  # fmt: skip

        unknown = await api.get("/v1/customers/ada?model=seven_phase")
        assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "model")
        assert (await api.get("/v1/customers/nobody?model=cxm")).status_code == 404


PROSPECT = "/v1/customers/pat"
ANSWERS = (PROSPECT, f"{PROSPECT}/history", f"{PROSPECT}/phase")


async def test_an_answer_is_sent_again_in_another_model_or_language_and_once_the_customer_has_moved(
    stack: Stack, blank: str
) -> None:
    await publish(stack.bootstrap, [event("pat", "page.viewed", 0), tick(1)])
    async with worker(stack, blank), client(stack, blank) as api:
        await settled(stack, blank, "lifecycle")
        tags = {path: (await api.get(path)).headers["etag"] for path in ANSWERS}

        async def answered(path: str, **headers: str) -> int:
            known = {"If-None-Match": tags[path.partition("?")[0]]}
            return (await api.get(path, headers=known | headers)).status_code

        for path in ANSWERS:
            assert await answered(path) == 304
            assert await answered(path, **GERMAN) == 200, "only labels differ"
            assert await answered(f"{path}?model=five_phase") == 200, (
                "a prospect is called the same there"
            )
        await publish(stack.bootstrap, [tick(2)])
        await settled(stack, blank, "lifecycle")
        assert [await answered(path) for path in ANSWERS] == [304] * len(ANSWERS), (
            "only the clock has moved"
        )
        await publish(stack.bootstrap, [order("pat", 2), tick(3)])
        await settled(stack, blank, "lifecycle")
        assert [await answered(path) for path in ANSWERS] == [200] * len(ANSWERS)


ODD = ["shop/7/Jürgen 👨‍👩‍👧", "a%2Fb", "100 % ß?#&", "../phases", "顧客\u00a01"]


async def test_customers_of_any_id_are_found_and_merged_ones_are_named_where_they_went(
    stack: Stack, blank: str
) -> None:
    old = "old/🙂"
    merge = event(old, "customer.merged", 2, into=ODD[0])
    await publish(stack.bootstrap, [*(order(id, 0) for id in ODD), order(old, 1), merge, tick(3)])
    async with worker(stack, blank), client(stack, blank) as api:
        await settled(stack, blank, "lifecycle")
        for id in ODD:
            path = f"/v1/customers/{quote(id, safe='')}"
            found = await read(api, path, model="three_stage")
            assert (found["customer"], found["view"]) == (id, "acquisition")
            assert (await read(api, f"{path}/history"))["items"][-1]["customer"] == id
        moved = await api.get(f"/v1/customers/{quote(old, safe='')}?model=cxm")
        assert moved.status_code == 301
        assert moved.headers["location"] == f"/v1/customers/{quote(ODD[0], safe='')}?model=cxm"
        assert await counted(api, "three_stage", 3) == {"acquisition": len(ODD)}


@pytest.mark.parametrize("path", ["/v1/customers/ada/release", "/v1/transitions/counts"])
async def test_a_path_that_names_no_phase_takes_no_model(
    stack: Stack, blank: str, path: str
) -> None:
    async with client(stack, blank) as api:
        method = api.post if path.endswith("release") else api.get
        assert (await method(f"{path}?model=cxm")).status_code == 422
