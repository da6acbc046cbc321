"""The filters of a list: what a cause means, and which phases are left."""

import pytest

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.lists.filters import Cause, Filters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("silence", ["silence"]),
        ("score", ["score:nps", "score:csat", "score:review"]),
        ("score:csat", ["score:csat"]),
        ("complaint:a:b", ["complaint:a:b"]),
        ("complaint", None),
        ("cancellation", None),
    ],
)
def test_a_cause_means_names_where_these_are_known(text: str, names: list[str] | None) -> None:
    assert Cause.parse(text).names == names


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("boredom", "must begin with one of "),
        ("", "must begin with one of "),
        ("silence:7", "takes nothing behind silence"),
        ("score:mood", "takes one of nps, csat, review behind score:"),
        ("complaint:", "takes an id of 1 to 200 characters behind complaint:"),
        ("complaint:\0", "takes an id of 1 to 200 characters behind complaint:"),
        (f"complaint:{'k' * 201}", "takes an id of 1 to 200 characters behind complaint:"),
    ],
)
def test_a_wrong_cause_is_refused_with_what_is_wrong(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{wrong}"):
        Cause.parse(text)


def test_the_longest_id_of_a_complaint_is_taken() -> None:
    assert Cause.parse(f"complaint:{'k' * 200}").about == "k" * 200


@pytest.mark.parametrize(
    ("filters", "phases"),
    [
        (Filters(), tuple(Phase)),
        (Filters(phase=Phase.NEW), (Phase.NEW,)),
        (Filters(cause=Cause("silence")), (Phase.AT_RISK,)),
        (Filters(phase=Phase.AT_RISK, cause=Cause("silence")), (Phase.AT_RISK,)),
        (Filters(phase=Phase.NEW, cause=Cause("silence")), ()),
    ],
)
def test_only_customers_at_risk_have_causes(filters: Filters, phases: tuple[Phase, ...]) -> None:
    assert filters.phases == phases
