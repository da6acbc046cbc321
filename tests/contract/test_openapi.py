"""The documents of the services: up to date, complete, and with true examples."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema_rs
import pytest

from services.lifecycle.changes import cursor
from shared.client.codegen.generate import sources
from tests.contract.documents import FOLDER, Json, Operation, kept, made, operations
from tests.contract.story import KEY
from tests.support.fresh_servers import PARTITIONS

SERVICES: Final = Path(__file__).parents[2] / "services"
DOCUMENTS: Final = made()
OPERATIONS: Final = [
    pytest.param(found, id=f"{found.service} {found.name}") for found in operations(DOCUMENTS)
]

REFUSED: Final = {
    "release_customer": {"not_parked", "unknown_customer"},
    "compare_models": {"no_fit"},
    "release": {"already_redeemed"},
    "show_simulation": {"unknown_simulation"},
    "cancel_simulation": {"unknown_simulation"},
}
"""Operations that do not succeed in the story: nobody is parked, no fit is accepted, and so on."""


EVERYWHERE: Final = frozenset(
    {
        "date",
        "content-type",
        "content-length",
        "x-request-id",
        "x-correlation-id",
        "cache-control",
        "x-accel-buffering",
    }
)
"""The headers that a document does not repeat for each answer."""
REPEATABLE: Final = {
    "accept_events",
    "look_up_customers",
    "rebuild_figures",
    "create_policy",
    "cancel_simulation",
    "reserve",
    "confirm",
    "release",
}
"""Operations whose second request finds everything done already, by the id or the content."""


def test_the_documents_are_made_from_the_applications() -> None:
    assert kept() == DOCUMENTS, "run: make documents"


def test_the_clients_are_made_from_the_documents() -> None:
    for place, code in sources(FOLDER).items():
        assert place.read_text() == code, "run: make documents"


def _parts(document: Json) -> Iterator[tuple[str, Json]]:
    """Everything that must say what it is, by place."""
    for name, schema in document["components"]["schemas"].items():
        yield name, schema
        for field, part in schema.get("properties", {}).items():
            yield f"{name}.{field}", part
    for found in operations({"": document}):
        yield found.name, found.said
        for parameter in found.said.get("parameters", ()):
            yield f"{found.name} {parameter['name']}", parameter


@pytest.mark.parametrize("service", DOCUMENTS)
def test_everything_is_described(service: str) -> None:
    silent = [place for place, part in _parts(DOCUMENTS[service]) if not part.get("description")]
    assert silent == []


UNIT: Final = re.compile(
    r"minor units|\bin `unit`|without a unit|HTTP status|from -?\d+ to \d+|"
    r"\b(days?|weeks?|hours?|seconds|months)\b|"
    r"\b(share|per cent|probability|mean|0 to 1)\b|\bmay exceed 1\b|\ba year\b|"
    r"\b(number|counts|how many|so many|most|the fewest|of these|these)\b|"
    r"\b(customers|prospects|advocates|buyers|orders|purchases|stays|terms|transitions|records|events|topics|figures|complaints|opened)\b|"
    r"\b(version|place|position|from [01]\b|1 at first|one more|1, 2, )",
    re.IGNORECASE,
)
"""What a number is a number of: a unit, something countable, or a place in an order."""


def _is_number(schema: Json) -> bool:
    choices = (part for choice in ("anyOf", "oneOf") for part in schema.get(choice, ()))
    return schema.get("type") in {"integer", "number"} or any(map(_is_number, choices))


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_number_has_a_unit(service: str) -> None:
    numbers = [
        (place, part)
        for place, part in _parts(DOCUMENTS[service])
        if _is_number(part.get("schema", part))
    ]
    assert [
        place for place, part in numbers if not UNIT.search(f"{part['description']} {_unit(part)}")
    ] == []


def _unit(schema: Json) -> str:
    return str(
        schema.get("unit") or "".join(part.get("unit", "") for part in schema.get("anyOf", ()))
    )


def _contents(operation: Operation) -> Iterator[tuple[str, Json]]:
    components = DOCUMENTS[operation.service]["components"]["responses"]
    yield from operation.said.get("requestBody", {}).get("content", {}).items()
    for response in operation.said["responses"].values():
        told = components[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        yield from told.get("content", {}).items()


def _validator(operation: Operation, schema: Json) -> Any:
    whole = {**schema, "components": DOCUMENTS[operation.service]["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_body_has_an_example_that_is_one(operation: Operation) -> None:
    for media_type, content in _contents(operation):
        assert "example" in content, media_type
        if media_type.endswith("json"):
            _validator(operation, content["schema"]).validate(content["example"])


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_problem_that_the_code_raises_is_listed(service: str) -> None:
    raised = {code for path in (SERVICES / service).rglob("*.py") for code in _codes(path)}
    listed = {
        code
        for response in DOCUMENTS[service]["components"]["responses"].values()
        for code in _enumerated(response)
    } | {
        code
        for operation in operations({service: DOCUMENTS[service]})
        for response in operation.said["responses"].values()
        for code in _enumerated(response)
    }
    assert raised - listed == set()


def _codes(path: Path) -> Iterator[str]:
    """The codes of `Problem(status, "code", …)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Problem"
        ):
            code = node.args[1]
            if isinstance(code, ast.Constant):
                yield str(code.value)


def _enumerated(response: Json) -> list[str]:
    content = response.get("content", {}).get("application/problem+json")
    codes: list[str] = (
        content["schema"]["allOf"][1]["properties"]["code"]["enum"] if content else []
    )
    return codes


def test_every_change_has_a_key_or_may_be_repeated_as_it_is_or_says_that_it_may_not() -> None:
    posts = [found for found in operations(DOCUMENTS) if found.method == "POST"]
    keyed = {
        f.name
        for f in posts
        if "Idempotency-Key" in {p["name"] for p in f.said.get("parameters", ())}
    }
    once = {f.name for f in posts if not f.said.get("x-repeatable", True)}
    assert once == {"release_customer", "activate_policy", "make_fit"}
    assert {f.name for f in posts} - keyed - once == REPEATABLE


def _moves(part: Any) -> Iterator[Json]:
    """All moves of an example, wherever they are."""
    if isinstance(part, dict) and {"rule", "evidence", "profile"} <= part.keys():
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from _moves(inner)


def test_no_example_of_a_move_contradicts_itself() -> None:
    examples = [
        content.get("example") for found in operations(DOCUMENTS) for _, content in _contents(found)
    ]
    moves = list(_moves(examples))
    assert {move["rule"] for move in moves} == {"first_purchase", "silence_begins"}
    for move in moves:
        profile = move["profile"]
        evidence = move["evidence"]
        bought = move["rule"] == "first_purchase"
        assert (
            (profile["orders"] == 1)
            == (profile["order"] is not None)
            == bool(evidence["events"])
            == bought
        )
        assert (evidence["deadline"] is None) == ("silence" not in profile["causes"]) == bought
        assert (
            profile["first_order_at"]
            <= profile["last_order_at"]
            <= move["occurred_at"]
            <= move["recorded_at"]
        )
        assert min(profile["deadlines"].values()) > move["occurred_at"]


def _request(operation: Operation, url: str) -> httpx.Request:
    """The example of a request: only what is required, and the example of its body."""
    path = operation.path
    query = dict[str, str]()
    for parameter in operation.said.get("parameters", ()):
        value = (parameter.get("examples") or parameter["schema"].get("examples") or [None])[0]
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(value))
        elif parameter["in"] == "query" and parameter.get("required"):
            query[parameter["name"]] = str(value)
    content = operation.said.get("requestBody", {}).get("content", {}).get("application/json")
    body = {"json": content["example"]} if content else {}
    return httpx.Request(
        operation.method,
        url + path,
        params=query,
        headers={"Authorization": f"Bearer {KEY}"},
        **body,
    )


def test_every_example_of_a_request_is_answered_as_documented(services: Mapping[str, str]) -> None:
    writing_first = sorted(operations(DOCUMENTS), key=lambda found: (found.method != "POST",))
    with httpx.Client(timeout=30) as client:
        for operation in writing_first:
            if operation.name.startswith("stream"):
                continue
            request = _request(operation, services[operation.service])
            answer = client.send(request)
            told = f"{operation.service} {operation.name}: {answer.status_code} {answer.text[:500]}"
            if operation.name in REFUSED:
                assert answer.json()["code"] in REFUSED[operation.name], told
            else:
                assert answer.is_success, told
            _conforms(operation, answer)
            if answer.is_success and "304" in operation.said["responses"]:
                request.headers["If-None-Match"] = answer.headers["etag"]
                same = client.send(request)
                assert (same.status_code, same.content) == (304, b""), told
                _conforms(operation, same)


def test_every_operation_refuses_who_has_no_key(services: Mapping[str, str]) -> None:
    with httpx.Client() as client:
        for operation in operations(DOCUMENTS):
            request = _request(operation, services[operation.service])
            del request.headers["Authorization"]
            answer = client.send(request)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), (
                operation.name
            )
            _conforms(operation, answer)


FORGED: Final = [
    ("", "x"),
    ("", "now now"),
    ("AQQBAAMCAQUAAAIBAfDgD74", ""),
    ("a\0", ""),
    ("é" * 9, ""),
    ("A" * 5000, ""),
    ("now", cursor.encode((2**40,) * PARTITIONS)),
    (cursor.encode((0,) * (PARTITIONS + 1)), ""),
    (cursor.encode((0,) * PARTITIONS) + "=", ""),
]


@pytest.mark.parametrize(("after", "last_id"), FORGED)
def test_a_forged_cursor_of_a_stream_is_refused_as_documented(
    services: Mapping[str, str], after: str, last_id: str
) -> None:
    (stream,) = (found for found in operations(DOCUMENTS) if found.name == "stream_changes")
    headers = {"Authorization": f"Bearer {KEY}"} | ({"Last-Event-ID": last_id} if last_id else {})
    answer = httpx.get(
        services[stream.service] + stream.path, params={"after": after}, headers=headers, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    assert answer.json()["errors"][0]["field"] == ("Last-Event-ID" if last_id else "after")
    _conforms(stream, answer)


def test_what_is_read_of_one_thing_is_not_sent_again_while_it_is_the_same() -> None:
    known = {found.name for found in operations(DOCUMENTS) if "304" in found.said["responses"]}
    lifecycle = {"show_customer", "show_history", "show_phase", "show_policy", "show_simulation"}
    assert known == lifecycle | {"read_case", "show_code", "show_claim", "show_balance"}


def _conforms(operation: Operation, answer: httpx.Response) -> None:
    response = operation.said["responses"][str(answer.status_code)]
    if "$ref" in response:
        name = response["$ref"].rpartition("/")[2]
        response = DOCUMENTS[operation.service]["components"]["responses"][name]
    assert set(answer.headers) - EVERYWHERE == {
        name.lower() for name in response.get("headers", ())
    }, operation.name
    if not response.get("content"):
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    content = response["content"][media_type]
    if media_type.endswith("json"):
        _validator(operation, content["schema"]).validate(answer.json())
