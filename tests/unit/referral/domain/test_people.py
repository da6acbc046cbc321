"""Who is who after merges and unmerges, in whatever order they become known."""

from itertools import permutations

import pytest

from services.referral.domain.people import MergeDecision, People, take_decision
from tests.support.builders import day

Decisions = dict[str, MergeDecision]


def merged(at: float, into: str | None, event: str = "e") -> MergeDecision:
    return MergeDecision(day(at), "/shop", event, into)


def people(*said: tuple[str, MergeDecision]) -> People:
    decisions: Decisions = {}
    for id, decision in said:
        take_decision(decisions, id, decision)
    return People(decisions)


def test_an_id_that_nobody_merged_is_a_person() -> None:
    found = people()
    assert (found.survivor("ann"), found.is_merged("ann")) == ("ann", False)
    assert found.members("ann") == {"ann"}


def test_chains_lead_to_their_end_and_all_ids_on_the_way_are_one_person() -> None:
    found = people(("a", merged(1, "b")), ("b", merged(2, "c")), ("d", merged(3, "b")))
    assert {id: found.survivor(id) for id in "abcd"} == dict.fromkeys("abcd", "c")
    assert found.members("a") == found.members("c") == set("abcd")
    assert found.all_members(["d", "e"]) == set("abcde")


def test_an_unmerge_in_the_middle_of_a_chain_takes_along_what_was_merged_into_it() -> None:
    found = people(("a", merged(1, "b")), ("b", merged(2, "c")), ("b", merged(3, None)))
    assert (found.survivor("a"), found.survivor("b")) == ("b", "b")
    assert found.members("c") == {"c"}


TIE = (("a", merged(1, "b")), ("a", merged(2, "c")), ("a", merged(2, None)))


@pytest.mark.parametrize("order", list(permutations(TIE)))
def test_the_latest_decision_holds_however_late_the_others_come(
    order: tuple[tuple[str, MergeDecision], ...],
) -> None:
    assert people(*order).survivor("a") == "a", "an unmerge follows a merge of the same instant"
    again = ("a", merged(3, "d"))
    assert people(*order, again).survivor("a") == people(again, *order).survivor("a") == "d"


@pytest.mark.parametrize(
    ("id", "into"), [("a", "a"), ("b", "a"), ("c", "a"), ("c", "b")], ids=lambda id: str(id)
)
def test_a_merge_that_would_close_a_cycle_is_ignored(id: str, into: str) -> None:
    decisions: Decisions = {"a": merged(1, "b"), "b": merged(1, "c")}
    if id == "b":
        del decisions["b"]
    before = dict(decisions)
    assert not take_decision(decisions, id, merged(9, into))
    assert decisions == before
