"""The causes of being at risk in words: what each means, and what ends it."""

from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.domain.words.causes import (
    CAUSE_TEXTS,
    describe_cause,
    remedies_needed,
    remedy_for,
)


def test_every_cause_has_a_meaning_and_an_end() -> None:
    about = {"score": "score:nps", "complaint": "complaint:k", "cancellation": "cancellation:v"}
    for prefix in CAUSE_TEXTS:
        cause = about.get(prefix, prefix)
        assert describe_cause(cause)
        remedy = remedy_for(Customer(), cause)
        assert remedy.words
        assert remedy.on
    assert describe_cause("complaint:a:b") == "complaint a:b is not settled"


def test_what_ends_one_cause_is_not_asked_for_twice() -> None:
    causes = frozenset({"silence", "newsletter", "contact", "score:csat", "complaint:k"})
    words = [
        remedy.words for remedy in remedies_needed(Customer(phase=Phase.AT_RISK, causes=causes))
    ]
    assert words == [
        "an order, or a contract concluded or renewed",
        "complaint k resolved to the customer's satisfaction",
        "a CSAT of 3 or more",
    ]
