"""What customers say: complaints, inquiries, scores, and how the shop answers."""

from typing import Final

from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_TOPICS: Final = (("delivery", 0.4), ("quality", 0.3), ("billing", 0.2), ("service", 0.1))
_QUESTIONS: Final = (("delivery", 0.4), ("product", 0.35), ("billing", 0.15), ("account", 0.1))
_WORDS: Final = {
    "delivery": "Where is my parcel?",
    "quality": "The lid does not close.",
    "billing": "Die Rechnung stimmt nicht.",
    "service": "Niemand ruft zurück.",
}
_SCALES: Final = {"nps": (0, 10, 6), "csat": (1, 5, 2), "review": (1, 5, 2)}
"""Lowest and highest score, and the highest that is low."""


def after_order(life: Life, t: int, *, delayed: bool) -> bool:
    """Words about an order; whether the customer stays disappointed."""
    luck, disappointed = life.luck, False
    if luck.chance(parameters.INQUIRIES):
        inquire(life, t + luck.between(1 * HOUR, 5 * DAY))
    if luck.chance(parameters.COMPLAINTS_WHEN_DELAYED if delayed else parameters.COMPLAINTS):
        topic = "delivery" if delayed else luck.weigh(_TOPICS)
        disappointed = not complain(life, t + luck.between(4, 12) * DAY, topic)
    for kind, share in parameters.SURVEYS.items():
        first = kind == "nps" and life.orders == 1 and not life.tag
        if luck.chance(parameters.FIRST_SURVEY if first else share):
            after = 7 * DAY + luck.waiting(2 * DAY) if kind == "nps" else luck.between(2, 12) * DAY
            rate(life, t + after, kind, disappointed=disappointed)
    return disappointed


def inquire(life: Life, t: float) -> None:
    """A question, and most often an answer."""
    luck = life.luck
    data = f'{{"inquiry_id":"{life.number("q")}","topic":"{luck.weigh(_QUESTIONS)}"}}'
    life.write(t, "inquiry.opened", data)
    if luck.chance(parameters.ANSWERED):
        life.write(
            t + 60 + luck.waiting(parameters.MEAN_ANSWER_HOURS * HOUR), "inquiry.answered", data
        )


def complain(life: Life, t: float, topic: str) -> bool:
    """A complaint; whether the customer is content in the end."""
    luck = life.luck
    about = f'{{"complaint_id":"{life.number("c")}"'
    severity = luck.weigh(parameters.SEVERITIES)
    life.write(
        t,
        "complaint.opened",
        f'{about},"topic":"{topic}","severity":{severity},"text":"{_WORDS[topic]}"}}',
    )
    if not luck.chance(parameters.ANSWERED):
        return False
    answered = t + 60 + luck.waiting(parameters.MEAN_ANSWER_HOURS * HOUR)
    life.write(answered, "complaint.answered", f"{about}}}")
    if not luck.chance(parameters.RESOLVED):
        return False
    resolved = answered + HOUR + luck.waiting(3 * DAY)
    satisfied = luck.chance(parameters.SATISFIED)
    life.write(
        resolved, "complaint.resolved", f'{about},"satisfied":{"true" if satisfied else "false"}}}'
    )
    if luck.chance(0.3):
        rate(life, resolved + luck.between(1, 3) * DAY, "csat", disappointed=not satisfied)
    return satisfied


def rate(life: Life, t: float, kind: str, *, disappointed: bool) -> None:
    """A score; who gives a low one is asked again later."""
    luck = life.luck
    lowest, highest, low = _SCALES[kind]
    mood = (
        0.25 + 0.75 * life.person.content + luck.between(-0.2, 0.3) - (0.5 if disappointed else 0.0)
    )
    score = round(lowest + min(max(mood, 0.0), 1.0) * (highest - lowest))
    _submit(life, t, kind, score)
    if score <= low and luck.chance(parameters.ASKED_AGAIN):
        better = min(highest, max(low + 1, score + 1 + int(luck.random() * 4)))
        _submit(life, t + luck.between(10, 45) * DAY, kind, better)


def _submit(life: Life, t: float, kind: str, score: int) -> None:
    public = (
        f',"public":{"true" if life.luck.chance(parameters.PUBLIC) else "false"}'
        if kind == "review"
        else ""
    )
    life.write(t, "feedback.submitted", f'{{"kind":"{kind}","score":{score}{public}}}')
