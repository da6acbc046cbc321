"""Policy documents: strict, complete, the same in files and requests; and the state of versions."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from pydantic import ValidationError

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.policies.document import PolicyDocument, load_policy
from services.lifecycle.policies.status import (
    PolicyPeriod,
    PolicyState,
    PolicyStatus,
    policy_periods,
    statuses,
)
from shared.errors import Misconfigured
from tests.support.builders import day
from tests.support.checkout import ROOT

PAGE: Final = (ROOT / "docs" / "policies.md").read_text()
PROPERTIES: Final[dict[str, Any]] = PolicyDocument.model_json_schema()["properties"]
NAMES: Final = {"name", "version", "account", "currency", "silence", "free_orders_count"}
BOUNDS: Final = (
    ("exclusiveMinimum", "> {}"),
    ("minimum", "≥ {}"),
    ("exclusiveMaximum", "< {}"),
    ("maximum", "≤ {}"),
    ("minLength", "≥ {} character"),
    ("maxLength", "≤ {} characters"),
)


def limits(schema: dict[str, Any]) -> str:
    """The limits of a value, as the page shows them."""
    schema = schema | (schema["anyOf"][0] if "anyOf" in schema else {})
    if schema.get("type") == "boolean":
        return "true, false"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    bounds = [text.format(f"{schema[key]:,}") for key, text in BOUNDS if key in schema]
    return ", ".join(bounds) or f"`{schema['pattern']}`"


def row(name: str) -> str:
    schema = PROPERTIES[name]
    default = "–" if schema["default"] is None else f"`{schema['default']}`"
    cells = [f"`{name}`", schema.get("unit", "–"), default, limits(schema), schema["description"]]
    return f"| {' | '.join(cells)} |"


def test_the_page_has_every_field_as_the_document_does() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert table == [row(name) for name in PolicyDocument.model_fields]


@pytest.mark.parametrize("name", PolicyDocument.model_fields)
def test_every_field_says_what_it_means_its_unit_and_its_limits(name: str) -> None:
    schema = PROPERTIES[name]
    assert schema["description"].endswith(".")
    assert limits(schema)
    assert name in NAMES or schema["unit"]


def test_a_document_has_all_thresholds_of_a_policy_with_its_defaults() -> None:
    assert set(PolicyDocument.model_fields) == {field.name for field in fields(Policy)} - {
        "fits",
        "keeps_sales",
    }
    assert PolicyDocument().policy() == Policy()


def test_a_policy_becomes_a_document_and_again_the_same_policy() -> None:
    policy = Policy(
        name="b",
        version=3,
        account="b2b",
        silence="auto",
        at_risk_days=30,
        revenue_decline_share=0.25,
    )
    document = PolicyDocument.of(policy)
    assert document == PolicyDocument.model_validate_json(document.model_dump_json())
    assert document.policy() == policy
    assert msgspec.json.decode(document.model_dump_json(), type=Policy) == policy


def test_a_policy_stored_under_wider_limits_can_still_be_shown() -> None:
    assert PolicyDocument.of(Policy(at_risk_days=50_000)).at_risk_days == 50_000


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"at_risk_days": 10.0}, "at_risk_days"),
        ({"at_risk_days": True}, "at_risk_days"),
        ({"at_risk_days": -1}, "at_risk_days"),
        ({"at_risk_days": 180}, "inactive_days"),
        ({"inactive_days": 36_501}, "inactive_days"),
        ({"established_after_orders": 1}, "established_after_orders"),
        ({"settle_after_orders": 1}, "settle_after_orders"),
        ({"complaint_overdue_hours": 0}, "complaint_overdue_hours"),
        ({"contact_days": -1}, "contact_days"),
        ({"revenue_decline_share": float("nan")}, "revenue_decline_share"),
        ({"risk_probability": 0.0}, "risk_probability"),
        ({"inactive_probability": 1.0}, "inactive_probability"),
        ({"inactive_probability": 0.65}, "inactive_probability"),
        ({"horizon_days": 0}, "horizon_days"),
        ({"min_at_risk_days": 1797}, "min_at_risk_days"),
        ({"discount_rate": -0.1}, "discount_rate"),
        ({"discount_rate": float("inf")}, "discount_rate"),
        ({"default_margin_rate": 1.01}, "default_margin_rate"),
        ({"currency": "eur"}, "currency"),
        ({"account": "B2B"}, "account"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": ".."}, "name"),
        ({"version": 2**31}, "version"),
        ({"known": 5}, "known"),
    ],
)
def test_a_document_outside_the_limits_is_refused_by_the_name_of_its_field(
    document: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        PolicyDocument.model_validate(document)
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_what_is_off_may_be_off_and_a_share_may_be_a_whole_number() -> None:
    off = {name: 0 for name, schema in PROPERTIES.items() if "0: off" in schema["description"]}
    assert len(off) == 8
    PolicyDocument.model_validate(off)
    assert (
        PolicyDocument.model_validate({"revenue_decline_share": 1}).policy().revenue_decline_share
        == 1.0
    )


def test_a_file_is_a_policy_and_no_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "auto.toml"
    path.write_text('name = "auto"\nsilence = "auto"\nnotice_days = 7\n')
    assert load_policy(path) == Policy(name="auto", silence="auto", notice_days=7)
    assert load_policy(None) is None


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy" / "policies").glob("*.toml")), ids=lambda path: path.name
)
def test_the_files_that_are_shipped_are_policies(path: Path) -> None:
    assert load_policy(path) not in (None, Policy())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("at_risk_days = 200", "inactive_days: at_risk_days must be less than inactive_days"),
        (
            "at_risk_days = 0\nx = 1",
            "at_risk_days: Input should be greater than 0; x: Extra inputs are not permitted",
        ),
        ("at_risk_days = = 3", "cannot be read"),
        ("revenue_decline_share = nan", "revenue_decline_share: Input should be a finite number"),
    ],
)
def test_a_wrong_file_is_refused_with_everything_that_is_wrong(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=f"policy file {path}") as refused:
        load_policy(path)
    assert told in str(refused.value)


A, B, C = Policy(), Policy(name="b"), Policy(name="c", account="b2b")


def schedule(*activations: tuple[float, Policy]) -> Schedule:
    return Schedule(
        Activation(number, day(at), policy) for number, (at, policy) in enumerate(activations, 1)
    )


def stands(found: Schedule, at: float) -> dict[str, PolicyStatus]:
    return {name: status for (name, _), status in statuses(found, day(at)).items()}


def test_a_reign_lasts_until_another_policy_follows() -> None:
    found = schedule((0, A), (10, B), (10, A), (20, A), (30, B), (40, replace(B, version=2)))
    assert list(policy_periods(found, None)) == [
        PolicyPeriod(("default", 1), day(0), day(30)),
        PolicyPeriod(("b", 1), day(30), day(40)),
        PolicyPeriod(("b", 2), day(40), None),
    ]


def test_a_policy_that_never_got_to_judge_is_superseded() -> None:
    assert stands(schedule((0, A), (10, B), (10, A)), 20) == {
        "default": PolicyStatus(PolicyState.ACTIVE, day(0)),
        "b": PolicyStatus(PolicyState.SUPERSEDED, day(10)),
    }


def test_a_policy_is_active_while_it_judges_any_kind_of_account() -> None:
    found = schedule((0, A), (10, C), (20, B), (30, replace(C, name="d")))
    assert stands(found, 9)["c"] == PolicyStatus(PolicyState.SCHEDULED, day(10))
    assert (
        stands(found, 10)["c"]
        == stands(found, 29)["c"]
        == PolicyStatus(PolicyState.ACTIVE, day(10))
    )
    assert stands(found, 30)["c"] == PolicyStatus(PolicyState.SUPERSEDED, day(30))
    assert stands(found, 19)["default"] == PolicyStatus(PolicyState.ACTIVE, day(0))
    assert stands(found, 20)["default"] == PolicyStatus(PolicyState.SUPERSEDED, day(20))
