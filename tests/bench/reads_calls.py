"""The calls of `make bench-reads`: every kind of read, with parameters that vary."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import httpx

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.domain.words.causes import CAUSE_TEXTS
from services.lifecycle.figures.period import Period
from shared.instants import render
from tests.support.bulk_lives import BEGINS, DAYS, ENDS
from tests.support.bulk_shop import name_of

MODELS: Final = ("five_phase", "six_phase", "three_stage", "cxm", "activity")


class Call(NamedTuple):
    """One request; with a body it is a POST."""

    path: str
    params: Mapping[str, Any] = {}
    body: Any = None

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        """The answer. Raises HTTPStatusError unless it is 200."""
        if self.body is None:
            answer = await client.get(self.path, params=self.params)
        else:
            answer = await client.post(self.path, params=self.params, json=self.body)
        return answer.raise_for_status()


@dataclass(slots=True)
class Walk:
    """Read page after page; after so many, begin again with other parameters (None: never)."""

    path: str
    params: Callable[[], dict[str, Any]]
    behind: str
    parameter: str
    most: int | None
    _asked: dict[str, Any] = field(default_factory=dict)
    _left: int = 0

    def next(self, answer: dict[str, Any] | None) -> Call:
        """The request after this answer."""
        cursor = answer and answer[self.behind]
        if not cursor or not self._left:
            self._asked, self._left, cursor = self.params(), self.most or -1, None
        self._left -= 1
        return Call(self.path, self._asked | ({self.parameter: cursor} if cursor else {}))


class Asker:
    """Makes requests about a shop of so many customers, always the same ones."""

    def __init__(self, customers: int) -> None:
        self._luck = random.Random(1)
        self._customers = customers

    def customer(self) -> str:
        """Anybody."""
        return name_of(self._luck.randrange(self._customers))

    def instant(self) -> str:
        """Any second of the 24 months."""
        return render(BEGINS + timedelta(seconds=self._luck.randrange(DAYS * 86400)))

    def singles(self) -> dict[str, Callable[[], Call]]:
        """Reads of one customer, or of some by their ids."""
        one: dict[str, Callable[[], dict[str, Any]]] = {
            "": dict,
            "?model": lambda: {"model": self._luck.choice(MODELS)},
            "/history": dict,
            "/history?all": lambda: {"all": "true"},
            "/history?model": lambda: {"model": self._luck.choice(MODELS)},
            "/phase": dict,
            "/phase?as_of": lambda: {
                "as_of": render(ENDS - timedelta(seconds=self._luck.randrange(86400)))
            },
            "/phase?as_of&known_at": lambda: {"as_of": self.instant(), "known_at": self.instant()},
            "/phase?as_of&model": lambda: {
                "as_of": self.instant(),
                "model": self._luck.choice(MODELS),
            },
            "/explain": dict,
            "/timeline": dict,
            "/timeline?all": lambda: {"all": "true", "limit": 10},
        }
        made = {
            f"/v1/customers/{{}}{name}": partial(self._one, name, params)
            for name, params in one.items()
        }
        return made | {f"lookup of {n}": partial(self._lookup, n) for n in (100, 1000)}

    def _one(self, name: str, params: Callable[[], dict[str, Any]]) -> Call:
        return Call(f"/v1/customers/{self.customer()}{name.partition('?')[0]}", params())

    def _lookup(self, number: int) -> Call:
        return Call(
            "/v1/customers/lookup", {}, {"customers": [self.customer() for _ in range(number)]}
        )

    def counts(self) -> dict[str, Callable[[], Call]]:
        """What is counted over all customers."""
        whole = ("phases", "transitions/counts", "causes/counts", "hints/counts")
        made: dict[str, Callable[[], Call]] = {
            f"/v1/{name}": partial(Call, f"/v1/{name}") for name in whole
        }
        made |= {f"/v1/{name}?as_of": partial(self._count, name) for name in whole}
        return made | {
            f"/v1/phases?as_of&model={model}": partial(self._count, "phases", model)
            for model in MODELS
        }

    def _count(self, name: str, model: str | None = None) -> Call:
        return Call(f"/v1/{name}", {"as_of": self.instant(), **({"model": model} if model else {})})

    def walks(self) -> dict[str, Walk]:
        """Lists of customers with each filter alone and some together; the published changes."""
        draw = self._luck.choice
        filters: dict[str, Callable[[], Any]] = {
            "phase": lambda: draw(list(Phase)),
            "since_before": self.instant,
            "due_before": lambda: render(ENDS + timedelta(days=self._luck.randrange(1, 400))),
            "min_value": lambda: draw((1000, 5000, 20_000, 50_000, 200_000, 1_000_000)),
            "account": lambda: draw(("b2c", "b2b")),
            "cause": lambda: draw((*CAUSE_TEXTS, "score:nps", "complaint:c0")),
            "model": lambda: draw(MODELS),
        }
        together = (
            (),
            *((name,) for name in filters),
            ("phase", "since_before"),
            ("phase", "min_value", "account"),
            ("cause", "due_before"),
            ("min_value", "since_before", "due_before"),
            tuple(filters),
        )
        made = dict[str, Walk]()
        for names in together:
            drawn = partial(_drawn, {name: filters[name] for name in names})
            made[f"/v1/customers?{'&'.join(names)}"] = Walk(
                "/v1/customers", drawn, "next_cursor", "cursor", 3
            )
        for limit in (100, 1000):
            made[f"/v1/changes?limit={limit}"] = Walk(
                "/v1/changes", partial(dict, limit=limit), "next", "after", None
            )
        return made


def _drawn(parameters: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    return {name: draw() for name, draw in parameters.items()}


# -- figures ---


def periods() -> dict[str, list[Period]]:
    """Periods that nobody computes ahead, by length."""
    lengths, last = {"month": 30, "quarter": 91, "year": 365}, ENDS.date() - timedelta(days=11)
    return {
        name: [Period(end - timedelta(days=days), end) for end in (last, last - timedelta(days=40))]
        for name, days in lengths.items()
    }


def figure(path: str, period: Period, **more: str) -> Call:
    """A figure of a period."""
    return Call(path, {"from": period.begins.isoformat(), "to": period.ends.isoformat(), **more})


async def figure_paths(client: httpx.AsyncClient) -> list[str]:
    """All that takes a period, but the overview."""
    document = (await client.get("/openapi.json")).raise_for_status().json()
    return [
        path
        for path, operations in document["paths"].items()
        if path.startswith("/v1/figures/")
        and {"from", "to"}
        <= {parameter["name"] for parameter in operations.get("get", {}).get("parameters", ())}
    ]
