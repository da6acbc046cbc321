"""docs/openapi/*.json, made from the applications: `make documents`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastapi import FastAPI

from services.ingest.app import create_app
from services.ingest.settings import IngestSettings
from services.lifecycle import app as lifecycle
from services.lifecycle.settings import LifecycleSettings
from services.reactivation import app as reactivation
from services.reactivation.settings import ReactivationSettings
from services.referral import app as referral
from services.referral.settings import ReferralSettings
from shared.processes import INGEST, LIFECYCLE, REACTIVATION, REFERRAL

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parents[2] / "docs" / "openapi"


class Operation(NamedTuple):
    """One operation of a document."""

    service: str
    method: str
    path: str
    said: Json

    @property
    def name(self) -> str:
        return str(self.said["operationId"])


def apps(settings: Mapping[str, Any]) -> dict[str, FastAPI]:
    """The application of each service."""
    return {
        INGEST: create_app(IngestSettings.model_validate(settings)),
        LIFECYCLE: lifecycle.create_app(LifecycleSettings.model_validate(settings)),
        REACTIVATION: reactivation.create_app(ReactivationSettings.model_validate(settings)),
        REFERRAL: referral.create_app(ReferralSettings.model_validate(settings)),
    }


def made() -> dict[str, Json]:
    """The document of each service, as its application tells it."""
    known = {"kafka_bootstrap": "-", "database_url": "-", "api_key": "key-of-the-tests"}
    built = apps(known | {"code_secret": "-" * 16})
    return {service: app.openapi() for service, app in built.items()}


def kept() -> dict[str, Json]:
    """The documents of the repository."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def operations(documents: Mapping[str, Json]) -> Iterator[Operation]:
    """All operations of all documents but the probes."""
    for service, document in documents.items():
        for path, methods in document["paths"].items():
            for method, said in methods.items():
                if "probes" not in said["tags"]:
                    yield Operation(service, method.upper(), path, said)


def write() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for service, document in made().items():
        (FOLDER / f"{service}.json").write_text(
            json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        )


if __name__ == "__main__":
    write()
