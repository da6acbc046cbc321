"""Which ids are one customer: the latest word of each id, in whatever order they come."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reactivation.domain.identities import Identities, Merger
from tests.support.winback_lives import day


def merged(n: float, id: str, into: str | None) -> Merger:
    return Merger(id, into, day(n), "/shop", f"{id} {into} {n}")


TABLE: list[tuple[str, list[Merger], dict[str, str]]] = [
    ("a chain", [merged(1, "a", "b"), merged(2, "b", "c")], {"a": "c", "b": "c", "c": "c"}),
    ("a chain from its end", [merged(1, "b", "c"), merged(2, "a", "b")], {"a": "c", "b": "c"}),
    ("unmerged", [merged(1, "a", "b"), merged(2, "a", None)], {"a": "a", "b": "b"}),
    (
        "unmerged in the middle",
        [merged(1, "a", "b"), merged(2, "b", "c"), merged(3, "b", None)],
        {"a": "b", "b": "b", "c": "c"},
    ),
    (
        "merged into another",
        [merged(1, "a", "b"), merged(2, "a", None), merged(3, "a", "c")],
        {"a": "c", "b": "b"},
    ),
    ("the later one counts", [merged(1, "a", "b"), merged(2, "a", "c")], {"a": "c", "b": "b"}),
    ("parted in the same instant", [merged(1, "a", "b"), merged(1, "a", None)], {"a": "a"}),
    ("a cycle", [merged(1, "a", "b"), merged(2, "b", "a")], {"a": "b", "b": "b"}),
    (
        "a long cycle",
        [merged(1, "a", "b"), merged(2, "b", "c"), merged(3, "c", "a")],
        {"a": "c", "b": "c", "c": "c"},
    ),
    ("into itself", [merged(1, "a", "a")], {"a": "a"}),
    ("never merged", [merged(1, "a", None)], {"a": "a"}),
]


@pytest.mark.parametrize(
    ("mergers", "survivors"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_every_id_leads_to_the_one_that_stays(
    mergers: list[Merger], survivors: dict[str, str], backwards: bool
) -> None:
    identities = Identities(mergers[::-1] if backwards else mergers)
    assert {id: identities.survivor(id) for id in survivors} == survivors


def test_the_last_merge_between_the_ids_of_a_customer_is_known() -> None:
    identities = Identities([merged(1, "a", "b"), merged(5, "c", "b"), merged(9, "x", "y")])
    assert identities.members("b") == {"a", "b", "c"}
    assert identities.merged_at("b") == day(5)
    assert identities.merged_at("z") is None
    assert identities.members("a") == frozenset()


IDS = st.sampled_from("abcde")
MERGERS = st.builds(merged, st.integers(0, 8), IDS, st.one_of(st.none(), IDS))


@settings(max_examples=200, deadline=None)
@given(st.lists(MERGERS, max_size=12), st.randoms(use_true_random=False))
def test_any_order_and_repeats_give_the_same_customers(
    mergers: list[Merger], chance: object
) -> None:
    shuffled = [*mergers, *mergers[:3]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first, again = Identities(mergers), Identities(shuffled)
    assert {id: first.survivor(id) for id in "abcde"} == {id: again.survivor(id) for id in "abcde"}
    survivors = {first.survivor(id) for id in "abcde"}
    groups = [first.members(survivor) for survivor in survivors]
    assert sorted(id for group in groups for id in group) == list("abcde")
    assert all(first.survivor(survivor) == survivor for survivor in survivors)
    assert timedelta(0) <= max(
        (at - day(0) for s in survivors if (at := first.merged_at(s))), default=timedelta(0)
    )
