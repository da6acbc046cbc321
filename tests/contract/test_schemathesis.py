"""Whatever is sent: the answer is documented, and never a 5xx.

A few requests of each operation; `make schemathesis` sends many.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.clock import CLOCK_START
from shared.http.pages import encode_cursor
from tests.contract.documents import made
from tests.contract.story import KEY
from tests.support.builders import DAY_0

REQUESTS: Final = int(os.environ.get("SCHEMATHESIS_REQUESTS", "12"))
LONGEST_WAIT_S: Final = 0.05
DUSK: Final = datetime(9998, 12, 31, tzinfo=UTC)
ENDLESS: Final = "/v1/changes/stream"
CURSORS: Final = (
    (str,),
    (int,),
    (int, int),
    (str, int),
    (datetime, int, int, int),
    (datetime, str),
)
"""The keys of all lists."""
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:  # noqa: ARG001  (how it is called)
    """A long poll is not waited for."""
    wait = (query or {}).get("wait_s")
    if isinstance(wait, int | float) and wait > LONGEST_WAIT_S:
        return {**query, "wait_s": LONGEST_WAIT_S}
    return query


def _readable(part: Any) -> Any:
    """Leave out patterns that Python's regular expressions do not know, and send any text."""
    if isinstance(part, list):
        return [_readable(item) for item in part]
    if isinstance(part, dict):
        return {k: _readable(v) for k, v in part.items() if k != "pattern" or "\\p{" not in v}
    return part


def _operations() -> Iterator[Any]:
    for service, document in made().items():
        schema: Any = schemathesis.openapi.from_dict(_readable(document))
        for found in schema.exclude(path=ENDLESS).get_all_operations():
            yield pytest.param(service, found.ok(), id=f"{service} {found.ok().label}")


def _cases(operation: Any) -> st.SearchStrategy[Any]:
    """Requests by the document about what is there and what is not, and requests against it."""
    said = operation.definition.raw.get("parameters", ())
    known = {
        p["name"]: (p.get("examples") or p["schema"]["examples"])[0]
        for p in said
        if p["in"] == "path"
    }
    there = operation.as_strategy(path_parameters=known) if known else operation.as_strategy()
    strategies = [there, *(operation.as_strategy(mode) for mode in GenerationMode)]
    if any(p["name"] == "cursor" for p in said):
        strategies.append(st.builds(_with_cursor, there, _forged()))
    return st.one_of(*strategies)


def _forged() -> st.SearchStrategy[str]:
    """Cursors that could be ours by their form."""
    parts = {
        str: ("", "customer-1", "a\0b"),
        int: (0, 2**31, 2**63 - 1, -(2**63)),
        datetime: (CLOCK_START, DAY_0, DUSK),
    }
    keys = st.sampled_from(CURSORS).flatmap(
        lambda kinds: st.tuples(*(st.sampled_from(parts[kind]) for kind in kinds))
    )
    return keys.map(lambda key: encode_cursor(*key))


def _with_cursor(case: Any, cursor: str) -> Any:
    case.query = {**(case.query or {}), "cursor": cursor}
    return case


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {KEY}"
        yield session


@pytest.mark.parametrize(("service", "operation"), list(_operations()))
def test_every_answer_is_documented(
    service: str, operation: Any, services: Mapping[str, str], session: requests.Session
) -> None:
    @seed(1)
    @settings(
        max_examples=REQUESTS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=_cases(operation))
    def send(case: Any) -> None:
        case.call_and_validate(base_url=services[service], session=session, checks=CHECKS)

    send()
