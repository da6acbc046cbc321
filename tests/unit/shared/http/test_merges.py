"""Where a request about a merged customer is sent on to."""

import pytest
from fastapi import APIRouter, Request

from shared.http import merged

router = APIRouter()


@router.get("/v1/customers/{customer}/history")
async def show_history(customer: str) -> str:
    return customer


@router.get("/v1/cases")
async def list_cases(customer: str) -> str:
    return customer


def request(route: int, query: bytes, method: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/",
            "query_string": query,
            "headers": [],
            "route": router.routes[route],
        }
    )


@pytest.mark.parametrize(
    ("route", "query", "location"),
    [
        (0, b"", "/v1/customers/a%2Fb/history"),
        (0, b"limit=1&model=cxm", "/v1/customers/a%2Fb/history?limit=1&model=cxm"),
        (0, b"cursor=x&limit=1", "/v1/customers/a%2Fb/history?limit=1"),
        (
            0,
            b"at=2024-05-01T12:00:00%2B02:00",
            "/v1/customers/a%2Fb/history?at=2024-05-01T12%3A00%3A00%2B02%3A00",
        ),
        (1, b"customer=ada&state=open&cursor=x", "/v1/cases?customer=a%2Fb&state=open"),
    ],
)
@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308)])
def test_the_same_is_asked_about_the_one_who_stays(
    route: int, query: bytes, location: str, method: str, status: int
) -> None:
    problem = merged(request(route, query, method), "ada", "a/b")
    assert (problem.status, problem.code, problem.location) == (status, "merged", location)
