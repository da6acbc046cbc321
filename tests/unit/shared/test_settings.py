"""Settings: what is wrong with them is said by name, and no value of them is shown anywhere."""

import os
import subprocess
import sys
from typing import Any

import pytest

from services.ingest.settings import IngestSettings
from services.lifecycle.settings import LifecycleSettings
from services.lifecycle.simulations.process import SimulationSettings
from services.reactivation.settings import ReactivationSettings
from services.referral.settings import ReferralSettings
from shared.errors import Misconfigured
from shared.local.settings import LocalSettings
from shared.processes import PROCESSES
from shared.settings import EnvironmentSettings, load
from tests.support.checkout import ROOT

HIDDEN = "hunter2-hunter2-hunter2"
SECRETS = {
    "STAMMKUNDE_DATABASE_URL": f"postgresql://shop:{HIDDEN}@db/shop",
    "STAMMKUNDE_API_KEY": f"key-{HIDDEN}",
    "STAMMKUNDE_CODE_SECRET": f"codes-{HIDDEN}",
}
KNOWN = {"STAMMKUNDE_KAFKA_BOOTSTRAP": "kafka:9092", **SECRETS}
KINDS: list[type[EnvironmentSettings]] = [
    IngestSettings,
    LifecycleSettings,
    ReactivationSettings,
    ReferralSettings,
    SimulationSettings,
    LocalSettings,
]
MISSING = "is not set"
SHORT = "is too short: it has at least 16 characters"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STAMMKUNDE_")]:
        monkeypatch.delenv(name)
    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_show_no_secret(kind: type[EnvironmentSettings]) -> None:
    settings = kind()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{vars(settings)}"):
        assert HIDDEN not in shown


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"),
    [
        (IngestSettings, "API_KEY", None, MISSING),
        (IngestSettings, "API_KEY", "", SHORT),
        (IngestSettings, "API_KEY", "hunter2-hunter2", SHORT),
        (LifecycleSettings, "API_KEY", None, MISSING),
        (LifecycleSettings, "API_KEY", "", SHORT),
        (LifecycleSettings, "DATABASE_URL", None, MISSING),
        (LifecycleSettings, "PORT", "hunter2", "is wrong: Input should be a valid integer"),
        (LifecycleSettings, "CLOCK", "hunter2", "is wrong: Input should be 'wall' or 'log'"),
        (ReactivationSettings, "CODE_SECRET", "hunter2", SHORT),
        (ReferralSettings, "CODE_SECRET", None, MISSING),
        (ReferralSettings, "REWARDS", '{"hunter2": ', 'parsing value for field "rewards"'),
        (ReferralSettings, "REWARDS", '{"EUR": {"hunter2": 7}}', "is wrong"),
        (SimulationSettings, "DATABASE_URL", None, MISSING),
        (LocalSettings, "API_KEY", "", SHORT),
        (LocalSettings, "API_KEY", "hunter2", SHORT),
        (LocalSettings, "CODE_SECRET", "hunter2", SHORT),
    ],
)
def test_a_wrong_setting_is_named_and_no_value_is_quoted(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[EnvironmentSettings],
    name: str,
    value: str | None,
    said: str,
) -> None:
    if value is None:
        monkeypatch.delenv(f"STAMMKUNDE_{name}")
    else:
        monkeypatch.setenv(f"STAMMKUNDE_{name}", value)
    with pytest.raises(Misconfigured) as refused:
        kind()
    assert name in str(refused.value).upper()
    assert said in str(refused.value)
    assert refused.value.__suppress_context__
    if name != "REWARDS":
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_a_process_without_a_key_ends_with_one_line_that_says_what_to_do(process: Any) -> None:
    known = {name: value for name, value in KNOWN.items() if name != "STAMMKUNDE_API_KEY"}
    ended = subprocess.run(
        [sys.executable, "-m", process.module],
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **known},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "STAMMKUNDE_API_KEY is not set. "
        "The bearer key of all services: `openssl rand -base64 24` makes one.\n"
    )
    assert ended.stdout == ""


def test_each_process_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {each.name: load(ReferralSettings, each.name).port for each in PROCESSES}
    assert len(set(ports.values())) == len(ports)
    assert {name: ports[name] for name in ("ingest", "referral", "referral-worker")} == {
        "ingest": 8001,
        "referral": 8004,
        "referral-worker": 8014,
    }
    for given in (0, 9000):
        monkeypatch.setenv("STAMMKUNDE_PORT", str(given))
        assert load(ReferralSettings, "referral-worker").port == given
