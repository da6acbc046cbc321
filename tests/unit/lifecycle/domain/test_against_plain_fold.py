"""The fold tells the same lives as a plain one that was written from the rules alone.

PLAIN_LIVES says how many lives are compared: `make test LIVES=10000`.
"""

import os
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Final

import pytest

from services.lifecycle.domain.fold import Folded
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import RuleName
from shared.events.ranks import RANKS
from tests.support.builders import day
from tests.support.lives import happenings
from tests.support.plain.plain_comparison import (
    LifeComparison,
    describe,
    schedule_of,
    tell,
    tell_plainly,
    tell_plainly_without_remarks,
)
from tests.support.plain.plain_fold import plain_fold
from tests.support.plain.plain_lives import LENGTH, PlainLifeStory, life_of
from tests.support.random_lives import Worker

LIVES: Final = int(os.environ.get("PLAIN_LIVES", "200"))
AT_A_TIME: Final = 50


SORTED: Final = LifeComparison(tell, tell_plainly)


@pytest.mark.parametrize("first", range(0, LIVES, AT_A_TIME))
def test_the_fold_and_the_plain_one_tell_the_same_lives(first: int) -> None:
    for seed in range(first, min(first + AT_A_TIME, LIVES)):
        SORTED.expect_same(life_of(seed))


def tell_as_it_arrives(story: PlainLifeStory) -> list[str]:
    """Fold a life as a worker does: in batches, late, repeated, and with time passing between.

    All activations but the first become known after the first batch.
    """
    random = Random(len(story.raws))
    worker = Worker(schedule_of(replace(story, activations=story.activations[:1])))
    arriving = list[Happening](happenings(story.raws))
    random.shuffle(arriving)
    arriving += random.sample(arriving, min(2, len(arriving)))
    while arriving:
        size = random.randint(1, len(arriving))
        worker.take(arriving[:size])
        arriving = arriving[size:]
        worker.tick(day(random.randint(0, LENGTH)))
        worker.learn(schedule_of(story))
    worker.tick(story.until)
    return describe(Folded(worker.customer, worker.moves))


ARRIVING: Final = LifeComparison(tell_as_it_arrives, tell_plainly_without_remarks)


@pytest.mark.parametrize("first", range(0, LIVES // 4, AT_A_TIME))
def test_nor_does_it_matter_how_events_arrive(first: int) -> None:
    for seed in range(first, min(first + AT_A_TIME, LIVES // 4)):
        ARRIVING.expect_same(life_of(seed))


def test_the_lives_fire_every_rule_and_hold_every_type_of_event() -> None:
    stories = [life_of(seed) for seed in range(600)]
    types = {raw["type"] for story in stories for raw in story.raws}
    assert types == set(RANKS)
    rules = Counter(
        move.rule
        for story in stories
        for move in plain_fold(story.raws, story.activations, story.until).moves
    )
    assert set(rules) == set(RuleName)
    assert min(rules.values()) >= 3, rules
