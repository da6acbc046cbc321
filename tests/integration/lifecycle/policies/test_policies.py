"""The API of policies on a real PostgreSQL: answers, refusals, and the state of each version."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from shared.http.pages import encode_cursor
from tests.support.builders import day
from tests.support.fresh_servers import PARTITIONS
from tests.support.policy_shop import Shop, day_text, new_shop, policy_api, problem_of
from tests.support.server_stack import Stack

STRICT: dict[str, Any] = {"name": "strict", "at_risk_days": 10, "inactive_days": 20}


@pytest.fixture
async def shop(stack: Stack, template: str) -> AsyncIterator[Shop]:
    """Judged by the built-in policy; the clock stands at noon of day 100."""
    async with new_shop(stack, template) as shop:
        await shop.set_clock(day(100))
        await shop.adopt(None, day(100))
        yield shop


@pytest.fixture
async def api(stack: Stack, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with policy_api(stack, shop) as found:
        yield found


async def create(api: httpx.AsyncClient, **document: Any) -> Any:
    answer = await api.post("/v1/policies", json={**STRICT, **document})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def activate(api: httpx.AsyncClient, which: str, at: float | None = None) -> Any:
    body = {"json": {"at": day(at).isoformat()}} if at is not None else {}
    answer = await api.post(f"/v1/policies/{which}/activate", **body)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read_states(api: httpx.AsyncClient) -> dict[str, tuple[str, str | None]]:
    items = (await api.get("/v1/policies")).json()["items"]
    return {f"{item['name']}/{item['version']}": (item["state"], item["since"]) for item in items}


async def test_the_built_in_policy_is_version_1_of_default_and_judges_from_the_beginning(
    api: httpx.AsyncClient,
) -> None:
    found = (await api.get("/v1/policies/default/1")).json()
    assert found == {
        "name": "default", "version": 1, "account": None, "state": "active", "since": None,
        "created_at": day_text(100), "as_of": day_text(100),
        "document": PolicyDocument.of(Policy()).model_dump(),
        "activations": [{"number": 1, "at": None, "made_at": day_text(100)}],
    }  # fmt: skip


async def test_a_draft_is_stored_with_every_field_and_found_where_the_answer_says(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.post(
        "/v1/policies", json={**STRICT, "name": "Österreich 50 %", "version": 7}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/policies/%C3%96sterreich%2050%20%25/7"
    found = (await api.get(answer.headers["location"])).json()
    assert found == answer.json()
    assert (found["state"], found["since"], found["activations"]) == ("draft", day_text(100), [])
    assert found["document"] == {
        **PolicyDocument().model_dump(), **STRICT, "name": "Österreich 50 %", "version": 7
    }  # fmt: skip


async def test_the_same_policy_again_is_the_one_that_is_stored(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    first = await create(api, version=3)
    for version in ({"version": 3}, {}):
        again = await api.post("/v1/policies", json={**STRICT, **version, "contact_days": 0})
        assert (again.status_code, again.json()) == (200, first)
        assert again.headers["location"] == "/v1/policies/strict/3"
    assert await shop.stored() == [("default", 1), ("strict", 3)]


async def test_a_version_left_out_is_the_next_of_the_name(api: httpx.AsyncClient) -> None:
    assert (await create(api))["version"] == 1
    assert (await create(api, version=4, at_risk_days=11))["version"] == 4
    assert (await create(api, at_risk_days=12))["version"] == 5
    assert (await create(api, version=2, at_risk_days=13))["version"] == 2
    assert (await create(api, version=2**31 - 1, at_risk_days=14))["version"] == 2**31 - 1
    assert (await create(api, at_risk_days=15))["version"] == 3, (
        "there is no greater one: the least that is free"
    )


async def test_many_who_leave_the_version_out_at_once_get_one_each(api: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*(create(api, at_risk_days=n) for n in range(1, 9)))
    assert sorted(policy["version"] for policy in made) == list(range(1, 9))


async def test_a_stored_version_never_changes(api: httpx.AsyncClient) -> None:
    await create(api, version=1)
    answer = await api.post(
        "/v1/policies", json={**STRICT, "version": 1, "at_risk_days": 11, "account": "b2b"}
    )
    assert problem_of(answer) == (409, "policy_exists", ["account", "at_risk_days"])
    assert (await api.get("/v1/policies/strict/1")).json()["document"]["at_risk_days"] == 10


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"at_risk_days": 0}, ["at_risk_days"]),
        ({"at_risk_days": "10"}, ["at_risk_days"]),
        ({"at_risk_days": 200}, ["inactive_days"]),
        ({"inactive_days": 90}, ["inactive_days"]),
        (
            {"established_after_orders": 1, "settle_after_orders": 1},
            ["established_after_orders", "settle_after_orders"],
        ),
        ({"risk_probability": 0.8}, ["inactive_probability"]),
        ({"revenue_decline_share": 1.5}, ["revenue_decline_share"]),
        ({"currency": "Euro"}, ["currency"]),
        ({"currency": "XQX"}, ["currency"]),
        ({"account": "b2g"}, ["account"]),
        ({"silence": "loud"}, ["silence"]),
        ({"name": "a/b"}, ["name"]),
        ({"name": "zero\0byte"}, ["name"]),
        ({"version": 0}, ["version"]),
        ({"at_risk_day": 10}, ["at_risk_day"]),
        ({"fits": []}, ["fits"]),
    ],
)
async def test_a_wrong_document_is_refused_by_the_name_of_its_field(
    api: httpx.AsyncClient, shop: Shop, document: dict[str, Any], fields: list[str]
) -> None:
    assert problem_of(await api.post("/v1/policies", json=document)) == (422, "invalid", fields)
    assert await shop.stored() == [("default", 1)]


async def test_what_cannot_be_read_or_found_is_told(api: httpx.AsyncClient) -> None:
    broken = await api.post(
        "/v1/policies", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert problem_of(broken) == (400, "unreadable", [])
    assert problem_of(await api.post("/v1/policies")) == (422, "invalid", ["body"])
    assert problem_of(await api.get("/v1/policies", params={"state": "draft"})) == (
        422,
        "invalid",
        ["state"],
    )
    assert problem_of(await api.get("/v1/policies", params={"cursor": "x"})) == (
        422,
        "invalid_cursor",
        ["cursor"],
    )
    assert problem_of(await api.get("/v1/policies/default/0")) == (422, "invalid", ["version"])
    for path in ("default/2", "other/1", "default/2/diff?against=default/1"):
        assert problem_of(await api.get(f"/v1/policies/{path}")) == (404, "unknown_policy", [])
    assert problem_of(await api.post("/v1/policies/default/2/activate")) == (
        404,
        "unknown_policy",
        [],
    )
    assert problem_of(await api.get("/v1/policies/default/1/diff")) == (422, "invalid", ["against"])
    assert problem_of(await api.get("/v1/policies/default/1/diff?against=x/1")) == (
        404,
        "unknown_policy",
        ["against"],
    )
    for number in (2**31 - 1, 2**31, 2**63 - 1):
        beyond = await api.get("/v1/policies", params={"cursor": encode_cursor("default", number)})
        assert beyond.json()["items"] == []
    digits = ("0", "2147483648", "99999999999999999999999", "0000000000199999999999")
    for against in (
        "default",
        "/1",
        "default/",
        "default/one",
        "a\0b/1",
        *(f"default/{n}" for n in digits),
    ):
        answer = await api.get("/v1/policies/default/1/diff", params={"against": against})
        assert problem_of(answer) == (422, "invalid", ["against"])
    for body in ({"at": "2024-01-01T12:00:00"}, {"at": 5}):
        answer = await api.post("/v1/policies/default/1/activate", json=body)
        assert problem_of(answer) == (422, "invalid", ["at"])
    assert problem_of(await api.post("/v1/policies/default/1/activate", json={"when": 5})) == (
        422,
        "invalid",
        ["when"],
    )


async def test_a_policy_judges_from_the_clock_on_unless_an_instant_is_given(
    api: httpx.AsyncClient,
) -> None:
    await create(api)
    await create(api, inactive_days=30)
    assert await activate(api, "strict/1") == {
        "number": 2,
        "at": day_text(100),
        "made_at": day_text(100),
    }
    assert await activate(api, "strict/2", at=120) == {
        "number": 3,
        "at": day_text(120),
        "made_at": day_text(100),
    }
    found = (await api.get("/v1/policies/strict/2")).json()
    assert found["activations"] == [{"number": 3, "at": day_text(120), "made_at": day_text(100)}]


async def test_a_policy_is_sent_again_once_it_has_been_activated(api: httpx.AsyncClient) -> None:
    await create(api)
    path = "/v1/policies/strict/1"
    known = {"If-None-Match": (await api.get(path)).headers["etag"]}
    assert (await api.get(path, headers=known)).status_code == 304
    await activate(api, "strict/1")
    assert (await api.get(path, headers=known)).status_code == 200


async def test_an_activation_before_the_clock_is_refused_and_the_clock_is_told(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    await shop.set_clock(day(110), partitions=range(1, PARTITIONS))
    await create(api)
    answer = await api.post("/v1/policies/strict/1/activate", json={"at": day(109.9).isoformat()})
    assert problem_of(answer) == (422, "activation_in_past", ["at"])
    assert "2024-04-20T12:00:00" in answer.json()["errors"][0]["message"], (
        "the furthest clock of all partitions"
    )
    assert (await activate(api, "strict/1", at=110))["number"] == 2


async def test_the_same_activation_again_changes_nothing_however_late(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    await create(api)
    scheduled, now = await activate(api, "strict/1", at=110), await activate(api, "strict/1")
    assert (scheduled["number"], now["number"]) == (2, 3)
    await shop.set_clock(day(130))
    assert await activate(api, "strict/1", at=110) == scheduled
    assert await activate(api, "strict/1") == scheduled, "it is in force since then"
    assert len(await shop.activated()) == 3


async def test_going_back_at_the_same_instant_is_an_activation_of_its_own(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    await create(api)
    await create(api, account="b2b")
    for which in (
        "strict/1",
        "strict/2",
        "strict/1",
        "default/1",
        "default/1",
        "strict/1",
        "strict/2",
    ):
        await activate(api, which)
    assert [f"{name}/{version}" for name, version, _ in await shop.activated()] == [
        "default/1", "strict/1", "strict/2", "default/1", "strict/1"
    ]  # fmt: skip
    assert await read_states(api) == {
        "default/1": ("superseded", day_text(100)),
        "strict/1": ("active", day_text(100)),
        "strict/2": ("active", day_text(100)),
    }


async def test_where_a_version_stands_follows_the_clock(api: httpx.AsyncClient, shop: Shop) -> None:
    await create(api)
    assert await read_states(api) == {
        "default/1": ("active", None),
        "strict/1": ("draft", day_text(100)),
    }
    await activate(api, "strict/1", at=110)
    await activate(api, "default/1", at=120)
    assert await read_states(api) == {
        "default/1": ("active", None),
        "strict/1": ("scheduled", day_text(110)),
    }
    await shop.set_clock(day(110))
    assert await read_states(api) == {
        "default/1": ("scheduled", day_text(120)),
        "strict/1": ("active", day_text(110)),
    }
    await shop.set_clock(day(120))
    assert await read_states(api) == {
        "default/1": ("active", day_text(120)),
        "strict/1": ("superseded", day_text(120)),
    }
    answer = (await api.get("/v1/policies/strict/1")).json()
    assert (answer["state"], answer["since"], answer["as_of"]) == (
        "superseded",
        day_text(120),
        day_text(120),
    )


async def test_policies_for_kinds_of_account_are_active_side_by_side(
    api: httpx.AsyncClient,
) -> None:
    await create(api, account="b2b")
    await activate(api, "strict/1", at=100)
    assert await read_states(api) == {
        "default/1": ("active", None),
        "strict/1": ("active", day_text(100)),
    }
    assert (await api.get("/v1/policies/strict/1")).json()["account"] == "b2b"


async def test_a_list_is_paged_by_name_and_version(api: httpx.AsyncClient) -> None:
    for days in (10, 9, 8):
        await create(api, at_risk_days=days)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.get("/v1/policies", params=query)).json()
        seen += [(item["name"], item["version"], page["as_of"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [
        (*key, day_text(100))
        for key in (("default", 1), ("strict", 1), ("strict", 2), ("strict", 3))
    ]


async def test_two_policies_are_compared_field_by_field(api: httpx.AsyncClient) -> None:
    await create(api, account="b2b", revenue_decline_share=0.3)
    answer = await api.get("/v1/policies/strict/1/diff", params={"against": "default/1"})
    assert answer.json() == {
        "one": {"name": "strict", "version": 1},
        "other": {"name": "default", "version": 1},
        "differences": [
            {"field": "account", "unit": None, "one": "b2b", "other": None},
            {"field": "at_risk_days", "unit": "days", "one": 10, "other": 90},
            {"field": "inactive_days", "unit": "days", "one": 20, "other": 180},
            {"field": "revenue_decline_share", "unit": "share", "one": 0.3, "other": 0.0},
        ],
    }
    assert (await api.get("/v1/policies/strict/1/diff?against=strict/1")).json()[
        "differences"
    ] == []
