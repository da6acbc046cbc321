"""Refuses query parameters that nobody declared."""

from functools import lru_cache
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from shared.errors import FieldError, Problem


async def only_declared_query(request: Request) -> None:
    """Refuse unknown query parameters: a misspelt filter must not return everything."""
    query = request.query_params
    if not query:
        return
    unknown = sorted(set(query) - _declared_names(_RouteKey(request.scope["route"])))
    if unknown:
        errors = tuple(
            FieldError(name, "is not a query parameter of this path") for name in unknown
        )
        raise Problem(
            422, "invalid", f"Unknown query parameter: {', '.join(unknown)}.", errors=errors
        )


class _RouteKey:
    """A route as a key of a cache; routes compare by value and have no hash."""

    __slots__ = ("dependant", "route")

    def __init__(self, route: Any) -> None:
        self.route = route
        self.dependant: Dependant = route.dependant

    def __hash__(self) -> int:
        return id(self.route)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RouteKey) and other.route is self.route


@lru_cache(maxsize=1000)
def _declared_names(key: _RouteKey) -> frozenset[str]:
    return frozenset(_query_names(key.dependant))


def _query_names(dependant: Dependant) -> set[str]:
    """The names of the query parameters of a route and of what it depends on."""
    names: set[str] = set()
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names.update(info.alias or name for name, info in annotation.model_fields.items())
        else:
            names.add(field.alias)
    return names.union(*map(_query_names, dependant.dependencies))
