"""The secret behind codes: given, long, said nowhere, and not derived from what others know."""

from typing import Any

import pytest
from pydantic import SecretStr

from services.reactivation.settings import ReactivationSettings
from services.referral.settings import ReferralSettings
from shared.errors import Misconfigured
from shared.settings import Settings
from tests.support.referral_codes import CODE_SECRET

KNOWN: dict[str, Any] = {
    "kafka_bootstrap": "",
    "database_url": "",
    "api_key": SecretStr("the key of every shop backend"),
}
SERVICES = pytest.mark.parametrize("service", [ReactivationSettings, ReferralSettings])


@SERVICES
@pytest.mark.parametrize("secret", [None, "", "short-code"])
def test_without_a_secret_of_sixteen_characters_no_service_with_codes_starts(
    service: type[Settings], secret: str | None
) -> None:
    given = {} if secret is None else {"code_secret": secret}
    with pytest.raises(Misconfigured, match="CODE_SECRET") as refused:
        service.model_validate(KNOWN | given)
    assert not secret or secret not in str(refused.value)


@SERVICES
def test_the_secret_is_not_shown(service: type[Settings]) -> None:
    assert CODE_SECRET not in repr(service.model_validate(KNOWN | {"code_secret": CODE_SECRET}))
