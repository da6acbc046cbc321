"""What errors carry for whoever catches them."""

from shared.errors import Fenced, Poison, Retryable, leaves


def test_the_leaves_of_nested_groups_are_their_exceptions_in_order() -> None:
    first = Retryable("a")
    second = Fenced("b")
    third = Retryable("c")
    inner = ExceptionGroup("inner", [second, ExceptionGroup("innermost", [third])])
    assert leaves(ExceptionGroup("outer", [first, inner])) == [first, second, third]


def test_the_detail_of_a_poisoned_record_can_be_stored_as_text() -> None:
    assert Poison("invalid_data", "a\0b").detail == "a\ufffdb"
