"""Settings of the program: rewards by currency."""

from typing import Any

import pytest
from pydantic import SecretStr

from services.referral.domain.terms import CurrencyTerms
from services.referral.settings import ReferralSettings
from shared.errors import Misconfigured
from tests.support.referral_codes import CODE_SECRET


def settings(**more: Any) -> ReferralSettings:
    known = {"kafka_bootstrap": "", "database_url": "", "api_key": SecretStr("key-of-the-tests")}
    known["code_secret"] = SecretStr(CODE_SECRET)
    return ReferralSettings.model_validate(known | more)


def test_by_default_four_currencies_have_a_program_and_no_free_order_earns() -> None:
    currencies = settings().terms.currencies
    assert set(currencies) == {"EUR", "CHF", "GBP", "USD"}
    assert all(terms.minimum_order > 0 for terms in currencies.values())


def test_the_environment_says_what_each_currency_earns(monkeypatch: pytest.MonkeyPatch) -> None:
    program = '{"JPY": {"recommender": 1500, "referee": 700, "minimum_order": 3000}}'
    monkeypatch.setenv("STAMMKUNDE_REWARDS", program)
    assert settings().terms.currencies == {"JPY": CurrencyTerms(1500, 700, 3000)}


@pytest.mark.parametrize(
    "rewards",
    [
        {"EUR": {"recommender": 1, "referee": 1, "minimum_order": 0}},
        {"EUR": {"recommender": -1, "referee": 1, "minimum_order": 1}},
        {"EUR": {"recommender": 1, "referee": 1}},
        {"XYZ": {"recommender": 1, "referee": 1, "minimum_order": 1}},
    ],
    ids=["free orders", "less than nothing", "no minimum", "no currency"],
)
def test_a_program_that_cannot_be_is_refused(rewards: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        settings(rewards=rewards)
