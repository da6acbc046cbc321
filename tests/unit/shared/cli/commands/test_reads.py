"""Commands that show what lifecycle answers: phases, customer, figures, cadence."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.shared.cli.conftest import Command, FakeApi, problem

COUNTS = {"as_of": "2024-05-01T00:00:00Z", "model": None, "counts": {"new": 1200, "former": 0}}
FIT: dict[str, Any] = {
    "version": 3,
    "accepted": True,
    "reason": None,
    "effective_at": "2024-05-01T00:00:00Z",
    "made_at": "2024-05-01T00:00:00Z",
    "customers": 1500,
    "repeats": 4000,
    "parameters": {
        "r": 0.5,
        "alpha": 4.25,
        "a": 1.0,
        "b": 2.0,
        "p": None,
        "q": None,
        "gamma": None,
        "currency": None,
        "log_likelihood": -1234.5,
        "no_values": "fewer than 100 orders",
    },
}
REFUSED_FIT = {**FIT, "version": 4, "accepted": False, "reason": "too few", "parameters": None}


def test_phases_are_counted_with_their_sum(command: Command, api: FakeApi) -> None:
    api.answers["GET /v1/phases"] = COUNTS
    lines = command.lines("phases", "--as-of", "2024-05-01T00:00:00Z", "--model", "cxm")
    assert lines[0] == ["Customers", "by", "phase,", "as", "of", "2024-05-01T00:00:00Z"]
    assert ["new", "1,200"] in lines
    assert ["former", "0"] in lines
    assert ["all", "1,200"] in lines
    assert api.queries() == [{"as_of": "2024-05-01T00:00:00Z", "model": "cxm"}]


def test_json_is_the_answer_and_nothing_else(command: Command, api: FakeApi) -> None:
    api.answers["GET /v1/phases"] = COUNTS
    assert json.loads(command("phases", "--json").stdout) == COUNTS


def test_a_customer_is_shown_field_by_field(command: Command, api: FakeApi) -> None:
    answer = {"phase": "at_risk", "causes": ["silence"], "next_transition": None}
    api.answers["GET /v1/customers/ä/b"] = answer
    lines = command.lines("customer", "ä/b")
    assert lines[0] == ["ä/b"]
    assert ["phase", "at_risk"] in lines
    assert ["causes", '["silence"]'] in lines
    assert ["next_transition", "null"] in lines


def test_a_refusal_of_the_service_is_an_error_and_exit_code_1(
    command: Command, api: FakeApi
) -> None:
    api.answers["GET /v1/customers/nobody"] = problem(404, "unknown_customer", "No such one.")
    result = command("customer", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: GET /v1/customers/nobody answered 404 unknown_customer: No such one.\n"
    )


@pytest.mark.parametrize(
    ("differing", "exit_code", "printed"),
    [
        (0, 0, "All 1,234 daily counts are correct.\n"),
        (
            2,
            1,
            "2 of 1,234 daily counts differ. `stammkunde figures rebuild` corrects them.\n",
        ),
    ],
)
def test_counts_that_differ_make_the_check_fail(
    command: Command, api: FakeApi, differing: int, exit_code: int, printed: str
) -> None:
    answer = {"rows": 1234, "differing": differing, "equal": not differing}
    api.answers["GET /v1/figures/flows/check"] = answer
    result = command("figures", "check")
    assert (result.exit_code, result.stdout) == (exit_code, printed)
    as_json = command("figures", "check", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (exit_code, answer)


@pytest.mark.parametrize(
    ("differing", "result"), [(0, "none differed"), (3, "3 differed and were corrected")]
)
def test_a_rebuild_says_what_it_corrected(
    command: Command, api: FakeApi, differing: int, result: str
) -> None:
    answer = {"rows": 50, "differing": differing, "equal": not differing, "dropped": 7}
    api.answers["POST /v1/figures/rebuild"] = answer
    printed = command("figures", "rebuild").stdout
    assert printed == f"50 daily counts: {result}. Dropped 7 stored figures.\n"


def test_an_accepted_fit_is_shown_with_the_parameters_it_has(
    command: Command, api: FakeApi
) -> None:
    api.answers["POST /v1/cadence/fits"] = httpx.Response(201, json=FIT)
    lines = command.lines("cadence", "fit")
    assert [
        "alpha",
        "4.2500",
        *["scale", "of", "the", "purchase", "rates,", "in", "weeks"],
    ] in lines
    assert ["log_likelihood", "-1,234.5000", *["of", "the", "purchase", "rhythms"]] in lines
    assert not any(line[0] in {"p", "q", "gamma", "currency"} for line in lines)
    assert [
        "It",
        "has",
        "no",
        "model",
        "of",
        "order",
        "values:",
        "fewer",
        "than",
        "100",
        "orders.",
    ] in lines


def test_a_refused_fit_makes_the_command_fail(command: Command, api: FakeApi) -> None:
    api.answers["POST /v1/cadence/fits"] = httpx.Response(201, json=REFUSED_FIT)
    result = command("cadence", "fit")
    assert (result.exit_code, result.stdout) == (1, "\nFit 4 is refused: too few.\n")


def test_the_fit_in_force_is_shown_beside_a_later_refusal(command: Command, api: FakeApi) -> None:
    failure = {"at": "2024-05-02T00:00:00Z", "reason": "database down"}
    api.answers["GET /v1/cadence"] = {
        "silence": "auto",
        "in_force": FIT,
        "last": REFUSED_FIT,
        "failure": failure,
        "as_of": "2024-05-03T00:00:00Z",
    }
    result = command("cadence", "show")
    assert result.exit_code == 0
    assert "measures silence by: auto (as of 2024-05-03T00:00:00Z)." in result.stdout
    assert "Made from 1,500 customers with 4,000 repeat purchases." in result.stdout
    assert "The last fit, 4 of 2024-05-01T00:00:00Z, was refused: too few." in result.stdout
    assert "The fit of 2024-05-02T00:00:00Z could not be made: database down." in result.stdout


def test_without_a_fit_in_force_showing_it_fails(command: Command, api: FakeApi) -> None:
    answer = {"silence": "fixed", "in_force": None, "last": None, "failure": None, "as_of": "now"}
    api.answers["GET /v1/cadence"] = answer
    result = command("cadence", "show")
    assert result.exit_code == 1
    assert "No fit is in force: silence is measured in fixed days." in result.stdout
