"""Referral's API, while its worker runs: codes, claims that race, balances, the ledger."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.referral.announcements import Announcer
from services.referral.app import create_app
from services.referral.batch.handler import ReferralHandler
from services.referral.codes.issuer import CodeIssuer
from services.referral.settings import ReferralSettings
from services.referral.worker import SUBSCRIPTION
from shared.clock import CLOCK_START, ClockMode
from shared.database import connection as db
from shared.identities import Identities
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from tests.support.builders import event, order, tick
from tests.support.fresh_servers import PARTITIONS
from tests.support.pipeline import publish, published, rows, running, settled
from tests.support.referral_codes import CODE_SECRET, code_of
from tests.support.referral_worker import client_of, merged, settings, unmerged
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture(scope="module")
async def config(stack: Stack, database: str) -> ReferralSettings:
    return settings(stack, database)


@pytest.fixture(scope="module")
async def worker(
    stack: Stack,
    database: str,
    config: ReferralSettings,
    fresh_topics: None,  # noqa: ARG001  (before the worker)
) -> AsyncIterator[None]:
    async with running(SUBSCRIPTION, config, lambda reader: ReferralHandler(reader, config)):
        await tell(stack, database, tick(0))
        yield


@pytest.fixture(scope="module")
async def api(config: ReferralSettings, worker: None) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with client_of(config) as client:
        yield client


async def tell(stack: Stack, database: str, *events: dict[str, Any]) -> None:
    """Publish (ticks on both topics) and wait until the worker rests."""
    await publish(stack.bootstrap, events, topic=CUSTOMER_EVENTS)
    await publish(
        stack.bootstrap, [e for e in events if "subject" not in e], topic=PHASE_TRANSITIONS
    )
    await settled(stack, database, "referral")


async def issue(api: httpx.AsyncClient, customer: str) -> str:
    code: str = (await api.post("/v1/codes", json={"customer": customer})).json()["code"]
    return code


async def test_a_customer_has_one_code(api: httpx.AsyncClient) -> None:
    first = await api.post("/v1/codes", json={"customer": "ann/1"})
    again = await api.post("/v1/codes", json={"customer": "ann/1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json().keys() == {"customer", "code", "issued_at", "as_of"}
    assert (await api.get("/v1/customers/ann%2F1/code")).json() == first.json()
    assert (await api.get("/v1/customers/nobody/code")).json()["code"] == "no_code"


async def test_a_code_made_with_another_secret_stays_good(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    async with client_of(settings(stack, database, code_secret="x" * 16)) as before:
        given = await issue(before, "odo")
    assert given != code_of("odo")
    assert await issue(api, "odo") == given
    claimed = await api.post("/v1/claims", json={"code": given, "referee": "ole"})
    assert claimed.status_code == 201


async def test_twenty_requests_for_one_code_issue_one(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    answers = await asyncio.gather(
        *(api.post("/v1/codes", json={"customer": "abe"}) for _ in range(20))
    )
    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    await settled(stack, database, "referral")
    assert (
        len([e for e in await published(stack.bootstrap, REFERRAL_EVENTS) if e.subject == "abe"])
        == 1
    )


async def test_the_same_claim_twenty_times_at_once_is_one(
    api: httpx.AsyncClient, database: str
) -> None:
    body = {"code": await issue(api, "ann"), "referee": "bob"}
    answers = await asyncio.gather(*(api.post("/v1/claims", json=body) for _ in range(20)))
    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert all(a.json() == answers[0].json() for a in answers)
    assert len(await rows(database, "SELECT 1 FROM referral.claim WHERE referee = 'bob'")) == 1
    claim = (await api.get(f"/v1/claims/{answers[0].json()['id']}")).json()
    assert (claim["state"], claim["recommender"], claim["reason"]) == ("accepted", "ann", None)


async def test_an_order_after_the_claim_rewards_both_and_the_ledger_tells_how(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    body = {"code": await issue(api, "cleo"), "referee": "carl"}
    receipt = await api.post("/v1/claims", json=body)
    await tell(stack, database, order("carl", 1), tick(2))
    assert (await api.get("/v1/customers/cleo/balance")).json() == {
        "customer": "cleo",
        "balances": [{"currency": "EUR", "pending": 1000, "available": 0}],
        "parked": False,
        "as_of": "2024-01-03T12:00:00Z",
    }
    await tell(stack, database, tick(15))
    balance = (await api.get("/v1/customers/cleo/balance")).json()["balances"]
    assert balance == [{"currency": "EUR", "pending": 0, "available": 1000}]
    claim = (await api.get(f"/v1/claims/{receipt.json()['id']}")).json()
    assert claim["state"] == "qualified"
    assert (await api.post("/v1/claims", json=body)).json() == receipt.json()

    first = (await api.get("/v1/ledger", params={"customer": "cleo", "limit": 1})).json()
    assert [posting["kind"] for posting in first["items"]] == ["matured"]
    assert first["items"][0]["time"] == "2024-01-16T12:00:00Z"
    rest = await api.get("/v1/ledger", params={"customer": "cleo", "cursor": first["next_cursor"]})
    assert [posting["kind"] for posting in rest.json()["items"]] == ["earned"]
    assert rest.json()["next_cursor"] is None
    assert all(
        sum(e["amount"] for e in p["entries"]) == 0
        for p in [*first["items"], *rest.json()["items"]]
    )


async def test_refusals_say_why(api: httpx.AsyncClient, stack: Stack, database: str) -> None:
    code = await issue(api, "dora")
    await tell(stack, database, order("dirk", 16))
    mistyped = code[:-1] + ("2" if code[-1] != "2" else "3")
    for body, status, reason in (
        ({"code": code, "referee": "dirk"}, 409, "already_customer"),
        ({"code": code, "referee": "dora"}, 422, "self_referral"),
        ({"code": mistyped, "referee": "dan"}, 422, "mistyped_code"),
        ({"code": "too-short", "referee": "dan"}, 422, "mistyped_code"),
    ):
        answer = await api.post("/v1/claims", json=body)
        again = await api.post("/v1/claims", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, reason)
        assert (again.status_code, again.json()) == (answer.status_code, answer.json())
    unknown = await api.post("/v1/claims", json={"code": code_of("never asked"), "referee": "dan"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_code")
    await settled(stack, database, "referral")
    told = [
        e.type for e in await published(stack.bootstrap, REFERRAL_EVENTS) if e.subject == "dirk"
    ]
    assert told == ["claim.refused"]


@pytest.mark.parametrize("word", ["guest", "NULL", " ", "ann "])
async def test_nobody_has_a_code_and_nobody_is_recommended(
    api: httpx.AsyncClient, word: str
) -> None:
    code = await issue(api, "noah")
    asked = await api.post("/v1/codes", json={"customer": word})
    claimed = await api.post("/v1/claims", json={"code": code, "referee": word})
    for answer, field in ((asked, "customer"), (claimed, "referee")):
        assert (answer.status_code, answer.json()["code"]) == (422, "not_a_customer_id")
        assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_claims_wait_for_no_other_code(api: httpx.AsyncClient, database: str) -> None:
    code = await issue(api, "pia")
    connection = await db.connect(database, "referral")
    async with asyncio.timeout(20), connection.transaction():
        await connection.execute("INSERT INTO member VALUES ('pip')")
        issuer = CodeIssuer(Announcer(PARTITIONS), CODE_SECRET.encode())
        await issuer.issue(connection, {"pip": CLOCK_START}, Identities())
        claimed = await api.post("/v1/claims", json={"code": code, "referee": "paul"})
    assert claimed.status_code == 201
    await connection.close()


async def test_another_code_takes_the_place_of_the_first(api: httpx.AsyncClient) -> None:
    one = await api.post("/v1/claims", json={"code": await issue(api, "eve"), "referee": "emil"})
    other = await api.post("/v1/claims", json={"code": await issue(api, "edda"), "referee": "emil"})
    back = await api.post("/v1/claims", json={"code": await issue(api, "eve"), "referee": "emil"})
    assert len({one.json()["id"], other.json()["id"], back.json()["id"]}) == 3
    states = [
        (await api.get(f"/v1/claims/{a.json()['id']}")).json()["state"] for a in (one, other, back)
    ]
    assert states == ["superseded", "superseded", "accepted"]


async def test_an_idempotency_key_belongs_to_one_request(api: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    body = {"code": await issue(api, "fay"), "referee": "fred"}
    first = await api.post("/v1/claims", json=body, headers=key)
    await api.post("/v1/claims", json={"code": await issue(api, "eve"), "referee": "fred"})
    again = await api.post("/v1/claims", json=body, headers=key)
    other = await api.post("/v1/claims", json=body | {"referee": "finn"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert again.json() == first.json()
    assert other.json()["code"] == "idempotency_key_reused"
    codes = [
        await api.post("/v1/codes", json={"customer": c}, headers=key) for c in ("g1", "g1", "g2")
    ]
    assert [answer.status_code for answer in codes] == [201, 200, 422]


async def test_claims_that_race_with_the_first_order_end_the_same_for_both_sides(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    code = await issue(api, "hal")
    crowd = [f"h{n}" for n in range(30)]
    await tell(
        stack, database, *(event(referee, "order.cancelled", 19, order_id="-") for referee in crowd)
    )
    orders = [order(referee, 20) for referee in crowd]
    posts = [api.post("/v1/claims", json={"code": code, "referee": referee}) for referee in crowd]
    await asyncio.gather(publish(stack.bootstrap, orders), *posts)
    await tell(stack, database, tick(21))
    accepted = await rows(
        database, "SELECT 1 FROM referral.claim WHERE recommender = 'hal' AND state = 'qualified'"
    )
    refused = await rows(
        database, "SELECT 1 FROM referral.claim WHERE recommender = 'hal' AND state = 'refused'"
    )
    assert len(accepted) + len(refused) == 30
    pending = (await api.get("/v1/customers/hal/balance")).json()["balances"]
    assert sum(b["pending"] for b in pending) == 1000 * len(accepted)


async def test_a_parked_customer_is_shown_and_released(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    assert (await api.post("/v1/customers/ivo/release")).json()["code"] == "not_parked"
    claim = await api.post("/v1/claims", json={"code": await issue(api, "ida"), "referee": "ivo"})
    await rows(
        database,
        "UPDATE referral.member SET parked = 'a bug' WHERE customer IN ('ivo', 'ida') RETURNING 1",
    )
    await tell(stack, database, order("ivo", 22), tick(23))
    assert (await api.get("/v1/customers/ivo/balance")).json()["parked"] is True
    assert (await api.get(f"/v1/claims/{claim.json()['id']}")).json()["state"] == "accepted"
    assert (await api.post("/v1/customers/ivo/release")).status_code == 202
    await settled(stack, database, "referral")
    assert (await api.get("/v1/customers/ida/balance")).json()["balances"] == []
    assert (await api.post("/v1/customers/ida/release")).status_code == 202
    await settled(stack, database, "referral")
    balance = (await api.get("/v1/customers/ida/balance")).json()["balances"]
    assert balance == [{"currency": "EUR", "pending": 1000, "available": 0}]


async def test_a_recommendation_that_succeeds_is_counted(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    async def counts() -> dict[str, Any]:
        found: dict[str, Any] = (await api.get("/v1/referrals/counts")).json()
        return found

    before = await counts()
    began = datetime.fromisoformat(before["as_of"])
    code = await issue(api, "jane")
    assert (await api.post("/v1/claims", json={"code": code, "referee": "john"})).status_code == 201
    first = order("john", began + timedelta(hours=1), return_window_days=0)
    await tell(stack, database, first, tick(began + timedelta(hours=2)))
    after = await counts()
    assert after.keys() == {"as_of", "codes", "claims", "rewards"}
    assert after["codes"] == before["codes"] + 1
    assert after["claims"] == before["claims"] | {"qualified": before["claims"]["qualified"] + 1}
    assert after["rewards"] == before["rewards"] | {"available": before["rewards"]["available"] + 2}


async def test_of_what_is_unknown_there_is_nothing(api: httpx.AsyncClient) -> None:
    nobody = await api.get("/v1/customers/nobody/balance")
    assert (nobody.status_code, nobody.json()["balances"]) == (200, [])
    assert (await api.get("/v1/ledger", params={"customer": "nobody"})).json() == {
        "items": [],
        "next_cursor": None,
    }
    assert (await api.get("/v1/ledger")).status_code == 422
    assert (await api.get("/v1/claims/no-claim")).status_code == 404
    assert (await api.post("/v1/claims", json={"code": "x"})).status_code == 422
    assert (await api.post("/v1/codes", json={"customer": "a\u0000b"})).status_code == 422
    assert (await api.get("/readyz")).status_code == 200


async def test_a_claim_by_an_event_is_retried_by_a_call(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    code = await issue(api, "kim")
    await tell(stack, database, event("karl", "customer.signed_up", 25, referral_code=code))
    again = await api.post("/v1/claims", json={"code": code.lower(), "referee": "karl"})
    assert again.status_code == 200
    assert len(await rows(database, "SELECT 1 FROM referral.claim WHERE referee = 'karl'")) == 1


async def test_in_wall_time_nothing_is_recorded_before_the_clock_is_read(
    config: ReferralSettings,
) -> None:
    partition = partition_of("lea", PARTITIONS)
    await rows(
        config.database_url.get_secret_value(),
        "UPDATE referral.owner SET clock = $1 WHERE partition = $2",
        CLOCK_START,
        partition,
    )
    app = create_app(config.model_copy(update={"clock": ClockMode.WALL}))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with app.router.lifespan_context(app), client:
        answer = await client.post(
            "/v1/codes",
            json={"customer": "lea"},
            headers={"Authorization": "Bearer key-of-the-tests"},
        )
    assert (answer.status_code, answer.json()["code"]) == (503, "clock_not_started")
    assert answer.headers["retry-after"] == "1"


async def test_who_asks_for_a_merged_customer_is_sent_to_the_one_who_has_stayed(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    code = await issue(api, "mia")
    await tell(stack, database, merged("mia", 30, "mara/1"), tick(31))
    for path, there in (
        ("/v1/customers/mia/balance", "/v1/customers/mara%2F1/balance"),
        ("/v1/customers/mia/code", "/v1/customers/mara%2F1/code"),
        ("/v1/ledger?customer=mia&limit=5", "/v1/ledger?customer=mara%2F1&limit=5"),
    ):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (301, "merged")
        assert answer.headers["location"] == there
        assert answer.headers["cache-control"] == "no-store"
        assert (await api.get(there)).status_code == 200
    written = await api.post("/v1/customers/mia/release")
    assert (written.status_code, written.headers["location"]) == (
        308,
        "/v1/customers/mara%2F1/release",
    )
    assert written.headers["cache-control"] == "no-store"
    assert (await api.get("/v1/customers/mara%2F1/code")).json()["code"] == code
    again = await api.post("/v1/codes", json={"customer": "mia"})
    assert (again.status_code, again.json()["customer"], again.json()["code"]) == (
        200,
        "mara/1",
        code,
    )
    await tell(stack, database, unmerged("mia", 32), tick(33))
    assert (await api.get("/v1/customers/mia/code")).json()["code"] == code
    assert (await api.get("/v1/customers/mara%2F1/code")).json()["code"] == "no_code"


async def test_a_claim_of_a_merged_referee_is_that_of_the_one_who_has_stayed(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    body = {"code": await issue(api, "nora"), "referee": "nick"}
    first = await api.post("/v1/claims", json=body)
    assert (first.status_code, first.json()["referee"]) == (201, "nick")
    await tell(stack, database, merged("nick", 34, "nils"), tick(35))
    again = await api.post("/v1/claims", json=body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.json()["referee"] == "nils"
    own = {"code": await issue(api, "nils"), "referee": "nick"}
    assert (await api.post("/v1/claims", json=own)).json()["code"] == "self_referral"
    await tell(stack, database, merged("nora", 36, "nina"), tick(37))
    shown = (await api.get(f"/v1/claims/{first.json()['id']}")).json()
    assert (shown["referee"], shown["recommender"], shown["state"]) == ("nils", "nina", "accepted")


async def test_an_order_in_a_currency_without_a_program_is_told(
    api: httpx.AsyncClient, stack: Stack, database: str
) -> None:
    body = {"code": await issue(api, "olga"), "referee": "otto"}
    claim = (await api.post("/v1/claims", json=body)).json()
    made = order("otto", 38, total={"amount": 900_000, "currency": "JPY"})
    await tell(stack, database, made, tick(39))
    shown = (await api.get(f"/v1/claims/{claim['id']}")).json()
    assert (shown["state"], shown["reason"]) == ("unqualified", "no_reward_in_this_currency")
    assert (await api.get("/v1/customers/olga/balance")).json()["balances"] == []
