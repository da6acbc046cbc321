"""The HTTP contract, seen by a client."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel
from structlog.testing import capture_logs

from shared.errors import FieldError, Misconfigured, Problem, Retryable
from shared.http import (
    Conditional,
    CustomerPath,
    Instant,
    LabelLanguage,
    Language,
    Page,
    Paging,
    ProblemKind,
    create_app,
    problems,
    serve,
    serve_within,
)
from shared.http.pages import encode_cursor
from shared.settings import Settings
from tests.support.checkout import ROOT
from tests.support.servers import eventually

KEY = {"Authorization": "Bearer secret"}
UTC_NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def settings(**changes: object) -> Settings:
    known = {"kafka_bootstrap": "-", "database_url": "-", "api_key": "secret"}
    return Settings.model_validate(known | changes)


class Parcel(BaseModel):
    weight: int


router = APIRouter(prefix="/v1", tags=["test"])


@router.get("/customers/{customer}")
async def customer_view(customer: CustomerPath) -> dict[str, str]:
    return {"customer": customer}


@router.get("/customers/{customer}/history")
async def history_view(customer: CustomerPath, paging: Paging) -> dict[str, object]:
    return {"history": customer, "after": paging.after(datetime, str, int)}


@router.get("/numbers")
async def numbers(paging: Paging) -> Page[int]:
    after = paging.after(int)
    first = after[0] + 1 if after else 0
    rows = list(range(first, 10))[: paging.limit + 1]
    return Page[int].of(rows, paging, key=lambda n: (n,), view=lambda n: n)


@router.get("/instant")
async def instant(at: Annotated[Instant, Query()]) -> dict[str, Instant]:
    return {"at": at}


@router.post("/parcels")
async def post_parcel(parcel: Parcel) -> Parcel:
    return parcel


class Weighed(BaseModel):
    weight: int
    as_of: Instant


@router.get(
    "/scale/{weight}",
    responses=problems(ProblemKind(404, "nothing", "There is nothing on the scale.")),
)
async def weigh(
    weight: int, as_of: Annotated[Instant, Query()], conditional: Conditional, _: LabelLanguage
) -> Weighed:
    if not weight:
        raise Problem(404, "nothing", "There is nothing on the scale.")
    return conditional.answer(Weighed(weight=weight, as_of=as_of))


@router.get("/word")
async def word(wording: LabelLanguage) -> dict[str, str]:
    return {"word": "Kunde" if wording is Language.GERMAN else "customer"}


RAISED: dict[str, Exception] = {
    "problem": Problem(409, "busy", "It is taken.", errors=(FieldError("a", "b"),), retry_after=7),
    "retryable": Retryable("gone for a moment"),
    "postgres": asyncpg.SerializationError("could not serialize"),
    "standby": asyncpg.ReadOnlySQLTransactionError(
        "cannot execute DELETE in a read-only transaction"
    ),
    "socket": ConnectionRefusedError(111, "refused"),
    "bug": KeyError("internal detail"),
}


@router.get("/raise/{name}")
async def raise_it(name: str) -> None:
    raise RAISED[name]


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=headers
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(service="test", settings=settings(), routers=[router], max_body=1000)
    async with client_of(app, **KEY) as client:
        yield client


async def test_everything_but_the_probes_needs_the_key(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    for path in ("/v1/numbers", "/openapi.json", "/nowhere", "/metrics/"):
        answer = await client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthorized"
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 200, path


@pytest.mark.parametrize(
    "given", ["Bearer", "Bearer wrong", "secret", "Basic secret", "Bearer secret2", "Bearer ü"]
)
async def test_a_wrong_key_is_no_key(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/v1/numbers", headers=[(b"Authorization", given.encode("latin-1"))])
    assert answer.status_code == 401


async def test_the_scheme_of_the_key_has_no_case(client: httpx.AsyncClient) -> None:
    assert (
        await client.get("/v1/numbers", headers={"Authorization": "bearer secret"})
    ).status_code == 200


async def test_a_wrong_query_parameter_is_named(client: httpx.AsyncClient) -> None:
    for limit in ("0", "1001", "x", ""):
        answer = await client.get("/v1/numbers", params={"limit": limit})
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid"
        assert [e["field"] for e in answer.json()["errors"]] == ["limit"]


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/numbers?limit=3&limt=3")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "limt", "message": "is not a query parameter of this path"}
    ]
    assert (await client.get("/livez?x=1")).status_code == 422


async def test_a_list_is_walked_page_by_page(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = (await client.get("/v1/numbers", params={"limit": "3", **cursor})).json()
        seen += page["items"]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == list(range(10))
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "",
        "é",
        "W10",
        encode_cursor("1"),
        encode_cursor(1, 2),
        "bnVsbA",
        "A" * 5000,
        "W3RydWVd",
    ],
)
async def test_a_cursor_of_something_else_is_refused(
    client: httpx.AsyncClient, cursor: str
) -> None:
    answer = await client.get("/v1/numbers", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("text", ["😀" * 128, "\x01" * 128, "zero\u200bwidth"])
async def test_a_cursor_of_any_id_is_one_that_we_take(client: httpx.AsyncClient, text: str) -> None:
    cursor = encode_cursor(UTC_NOON, text, 1)
    assert (await client.get("/v1/customers/c/history", params={"cursor": cursor})).json()["after"][
        1
    ] == text


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_a_cursor_with_text_that_no_database_holds_is_refused(
    client: httpx.AsyncClient, text: str
) -> None:
    cursor = encode_cursor(UTC_NOON, text, 1)
    answer = await client.get("/v1/customers/c/history", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_a_cursor_carries_instants_texts_and_numbers(client: httpx.AsyncClient) -> None:
    cursor = encode_cursor(UTC_NOON, "ü/😀", 2**40)
    answer = await client.get("/v1/customers/c/history", params={"cursor": cursor})
    assert answer.json()["after"] == ["2024-05-01T12:00:00Z", "ü/😀", 2**40]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
        ("2024-05-01T14:00:00.5%2B02:00", "2024-05-01T12:00:00.500000Z"),
        ("2024-05-01t12:00:00.123456789z", "2024-05-01T12:00:00.123456Z"),
    ],
)
async def test_an_instant_comes_back_in_utc(
    client: httpx.AsyncClient, text: str, read: str
) -> None:
    assert (await client.get(f"/v1/instant?at={text}")).json() == {"at": read}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1714564800",
        "2024-05-01",
        "2024-05-01T12:00:00",
        "2024-05-01T12:00:00+02:00",
        "2024-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "1900-01-01T00:00:00%2B01:00",
        "٢٠٢٤-05-01T12:00:00Z",
    ],
)
async def test_an_instant_without_a_zone_or_out_of_reach_is_refused(
    client: httpx.AsyncClient, text: str
) -> None:
    answer = await client.get(f"/v1/instant?at={text}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "at"


ODD_IDS = [
    ("plain", "plain"),
    ("a%2Fb", "a/b"),
    ("a%2fb%2Fhistory", "a/b/history"),
    ("a%252Fb", "a%2Fb"),
    ("100%25", "100%"),
    ("%F0%9F%98%80", "😀"),
    ("a+b", "a+b"),
    ("a%20b%3Fc%23d", "a b?c#d"),
    ("%2E%2E", ".."),
    ("%F0%9F%91%A8%E2%80%8D%F0%9F%91%A7", "👨\u200d👧"),
    ("a%C2%A0b", "a\u00a0b"),
]


@pytest.mark.parametrize(("sent", "meant"), ODD_IDS)
async def test_an_id_may_hold_slashes_and_emoji(
    client: httpx.AsyncClient, sent: str, meant: str
) -> None:
    assert (await client.get(f"/v1/customers/{sent}")).json() == {"customer": meant}
    assert (await client.get(f"/v1/customers/{sent}/history")).json()["history"] == meant


@pytest.mark.parametrize("sent", ["%00", "a%0Ab", "x" * 129, "a%E2%80%AEb", "a%E2%80%A8b"])
async def test_an_id_that_cannot_be_is_refused(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get(f"/v1/customers/{sent}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "customer"


async def test_labels_come_in_the_language_that_the_client_prefers(
    client: httpx.AsyncClient,
) -> None:
    german = await client.get("/v1/word", headers={"Accept-Language": "fr, de-AT;q=0.9, en;q=0.8"})
    assert (german.json(), german.headers["content-language"]) == ({"word": "Kunde"}, "de")
    english = await client.get("/v1/word")
    assert (english.json(), english.headers["content-language"]) == ({"word": "customer"}, "en")
    assert english.headers["vary"] == "Accept-Language"


async def test_broken_json_is_unreadable_and_a_wrong_body_invalid(
    client: httpx.AsyncClient,
) -> None:
    broken = await client.post(
        "/v1/parcels", content=b'{"weight": ', headers={"content-type": "application/json"}
    )
    assert (broken.status_code, broken.json()["code"]) == (400, "unreadable")
    wrong = await client.post("/v1/parcels", json={"weight": "heavy"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "weight")


async def test_a_body_that_is_too_large_is_refused_by_its_length_and_while_it_streams(
    client: httpx.AsyncClient,
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 100

    for content in (b" " * 1001, endless()):
        answer = await client.post(
            "/v1/parcels", content=content, headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing = await client.get("/v1/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await client.delete("/v1/numbers")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


async def test_a_slash_too_many_leads_to_nobody(client: httpx.AsyncClient) -> None:
    for path in ("/v1/numbers/", "/v1/customers/ada/", "/v1/customers/"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_a_problem_is_answered_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/raise/problem")
    assert answer.status_code == 409
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "busy",
        "detail": "It is taken.",
        "errors": [{"field": "a", "message": "b"}],
    }


@pytest.mark.parametrize("name", ["retryable", "postgres", "standby", "socket"])
async def test_what_passes_by_itself_is_503_with_retry_after(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get(f"/v1/raise/{name}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_bug_is_500_and_tells_nothing(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/v1/raise/bug")
    assert ("http.failed", "/v1/raise/{name}") in [
        (line["event"], line.get("route")) for line in logs
    ]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "internal detail" not in answer.text
    assert answer.headers["x-request-id"]


async def test_request_and_correlation_ids_are_kept_or_made(client: httpx.AsyncClient) -> None:
    given = await client.get("/livez", headers={"X-Request-Id": "r1", "X-Correlation-Id": "c1"})
    assert (given.headers["x-request-id"], given.headers["x-correlation-id"]) == ("r1", "c1")
    made = await client.get("/livez", headers={"X-Request-Id": "with space"})
    assert len(made.headers["x-request-id"]) == 32
    assert made.headers["x-correlation-id"] == made.headers["x-request-id"]


async def _fails() -> None:
    raise Misconfigured("topic x has 3 partitions")


async def _hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("ready", "says"), [(_fails, "topic x has 3 partitions"), (_hangs, "No answer within")]
)
async def test_an_unready_service_says_why(
    ready: Callable[[], Awaitable[None]], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.probes.READY_WITHIN_S", 0.05)
    async with client_of(create_app(service="test", settings=settings(), ready=ready)) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert says in answer.json()["detail"]
        assert (await client.get("/livez")).status_code == 200


async def test_a_loop_that_stands_still_is_not_live() -> None:
    async with client_of(
        create_app(service="test", settings=settings(), live=lambda: False)
    ) as client:
        assert (await client.get("/livez")).json()["code"] == "not_live"


async def test_requests_are_counted_by_route_and_not_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/v1/customers/somebody")
    text = (await client.get("/metrics")).text
    assert (
        'stammkunde_http_requests_total{method="GET",route="/v1/customers/{customer}",status="200"}'
        in text
    )
    assert "somebody" not in text


async def test_the_contract_documents_problems(client: httpx.AsyncClient) -> None:
    contract = (await client.get("/openapi.json")).json()
    answers = contract["paths"]["/v1/numbers"]["get"]["responses"]
    assert set(answers) == {"200", "401", "422", "503"}
    assert answers["422"] == {"$ref": "#/components/responses/invalid_or_invalid_cursor"}
    told = contract["components"]["responses"]["invalid_or_invalid_cursor"]["content"][
        "application/problem+json"
    ]
    assert told["schema"]["allOf"][1]["properties"]["code"] == {
        "enum": ["invalid", "invalid_cursor"]
    }
    assert set(contract["paths"]["/v1/parcels"]["post"]["responses"]) == {
        "200",
        "400",
        "401",
        "413",
        "422",
        "503",
    }
    assert contract["paths"]["/livez"]["get"]["security"] == []


async def test_an_answer_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/scale/7?as_of=2024-05-01T12:00:00Z")
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        later = await client.get(
            "/v1/scale/7?as_of=2024-05-02T12:00:00Z", headers={"If-None-Match": known}
        )
        assert (later.status_code, later.content, later.headers["etag"]) == (304, b"", tag)
        assert (later.headers["vary"], later.headers["content-language"]) == (
            "Accept-Language",
            "en",
        )
    for weight, status in ((8, 200), (0, 404)):
        other = await client.get(
            f"/v1/scale/{weight}?as_of=2024-05-01T12:00:00Z", headers={"If-None-Match": tag}
        )
        assert other.status_code == status


async def test_the_contract_knows_answers_that_are_not_sent_again(
    client: httpx.AsyncClient,
) -> None:
    contract = (await client.get("/openapi.json")).json()
    answers = contract["paths"]["/v1/scale/{weight}"]["get"]["responses"]
    assert ("content" in answers["304"], "ETag" in answers["304"]["headers"]) == (False, True)
    assert "ETag" in answers["200"]["headers"]
    assert set(answers) == {"200", "304", "401", "404", "422", "503"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_within(app, settings(port=port), stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        for _ in range(1000):
            try:
                await client.get("/livez")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0)
        yield client
    stop.set()
    await serving


async def test_a_real_server_routes_odd_ids_and_refuses_large_bodies() -> None:
    app = create_app(service="test", settings=settings(), routers=[router])
    async with served(app) as client:
        for sent, meant in ODD_IDS:
            assert (await client.get(f"/v1/customers/{sent}/history")).json()["history"] == meant
        assert (
            await client.post("/v1/parcels", content=b" " * (5 * 1024 * 1024 + 1))
        ).status_code == 413
        assert "server" not in (await client.get("/livez")).headers


def serve_until_broken(port: int) -> None:
    """An application whose background work fails as soon as it is told to."""

    async def work(broken: asyncio.Event) -> None:
        await broken.wait()
        raise asyncpg.UndefinedTableError("what it works on is gone")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.broken = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work(app.state.broken))
            yield

    fragile = APIRouter()

    @fragile.post("/break")
    async def break_it(request: Request) -> None:
        request.app.state.broken.set()

    serve(
        create_app(service="test", settings=settings(), routers=[fragile], lifespan=lifespan),
        settings(port=port),
    )


async def test_a_process_whose_background_work_has_failed_ends_with_an_error() -> None:
    port = free_port()
    code = f"from tests.unit.shared.http.test_http import serve_until_broken; serve_until_broken({port})"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
            await eventually(lambda: _broken(client))
        async with asyncio.timeout(10):
            assert await process.wait() == 1, "so that it is started anew"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _broken(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.post("/break")).is_success
    except httpx.ConnectError:
        return False
