"""Complaints, inquiries and scores of customers, and the shop's answers."""

from typing import Final

from shared.simulator.person.life import Life
from shared.simulator.world import parameters
from shared.simulator.world.calendar import DAY, HOUR

_TOPICS: Final = (("delivery", 0.4), ("quality", 0.3), ("billing", 0.2), ("service", 0.1))
_QUESTIONS: Final = (("delivery", 0.4), ("product", 0.35), ("billing", 0.15), ("account", 0.1))
_COMPLAINT_TEXTS: Final = {
    "delivery": "Where is my parcel?",
    "quality": "The lid does not close.",
    "billing": "Die Rechnung stimmt nicht.",
    "service": "Niemand ruft zurück.",
}
_SCALES: Final = {"nps": (0, 10, 6), "csat": (1, 5, 2), "review": (1, 5, 2)}
"""The lowest score, the highest, and the highest that counts as low."""


def after_order(life: Life, t: int, *, delayed: bool) -> bool:
    """Give feedback about an order; returns whether the customer stays disappointed."""
    random = life.random
    disappointed = False
    if random.chance(parameters.INQUIRIES):
        inquire(life, t + random.between(1 * HOUR, 5 * DAY))
    if random.chance(parameters.COMPLAINTS_WHEN_DELAYED if delayed else parameters.COMPLAINTS):
        topic = "delivery" if delayed else random.pick_weighted(_TOPICS)
        disappointed = not complain(life, t + random.between(4, 12) * DAY, topic)
    for kind, share in parameters.SURVEYS.items():
        first = kind == "nps" and life.orders == 1 and not life.tag
        if random.chance(parameters.FIRST_SURVEY if first else share):
            after = (
                7 * DAY + random.exponential(2 * DAY)
                if kind == "nps"
                else random.between(2, 12) * DAY
            )
            rate(life, t + after, kind, disappointed=disappointed)
    return disappointed


def inquire(life: Life, t: float) -> None:
    """Ask a question, which is usually answered."""
    random = life.random
    data = f'{{"inquiry_id":"{life.number("q")}","topic":"{random.pick_weighted(_QUESTIONS)}"}}'
    life.write(t, "inquiry.opened", data)
    if random.chance(parameters.ANSWERED):
        life.write(
            t + 60 + random.exponential(parameters.MEAN_ANSWER_HOURS * HOUR),
            "inquiry.answered",
            data,
        )


def complain(life: Life, t: float, topic: str) -> bool:
    """Complain; returns whether the customer is content in the end."""
    random = life.random
    about = f'{{"complaint_id":"{life.number("c")}"'
    severity = random.pick_weighted(parameters.SEVERITIES)
    life.write(
        t,
        "complaint.opened",
        f'{about},"topic":"{topic}","severity":{severity},"text":"{_COMPLAINT_TEXTS[topic]}"}}',
    )
    if not random.chance(parameters.ANSWERED):
        return False
    answered = t + 60 + random.exponential(parameters.MEAN_ANSWER_HOURS * HOUR)
    life.write(answered, "complaint.answered", f"{about}}}")
    if not random.chance(parameters.RESOLVED):
        return False
    resolved = answered + HOUR + random.exponential(3 * DAY)
    satisfied = random.chance(parameters.SATISFIED)
    life.write(
        resolved, "complaint.resolved", f'{about},"satisfied":{"true" if satisfied else "false"}}}'
    )
    if random.chance(0.3):
        rate(life, resolved + random.between(1, 3) * DAY, "csat", disappointed=not satisfied)
    return satisfied


def rate(life: Life, t: float, kind: str, *, disappointed: bool) -> None:
    """Give a score; after a low one the customer is asked again later."""
    random = life.random
    lowest, highest, low = _SCALES[kind]
    mood = 0.25 + 0.75 * life.person.content + random.between(-0.2, 0.3)
    if disappointed:
        mood -= 0.5
    score = round(lowest + min(max(mood, 0.0), 1.0) * (highest - lowest))
    _submit(life, t, kind, score)
    if score <= low and random.chance(parameters.ASKED_AGAIN):
        better = min(highest, max(low + 1, score + 1 + int(random.random() * 4)))
        _submit(life, t + random.between(10, 45) * DAY, kind, better)


def _submit(life: Life, t: float, kind: str, score: int) -> None:
    public = ""
    if kind == "review":
        public = f',"public":{"true" if life.random.chance(parameters.PUBLIC) else "false"}'
    life.write(t, "feedback.submitted", f'{{"kind":"{kind}","score":{score}{public}}}')
