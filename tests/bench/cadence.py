"""`make bench-cadence`: the cadence model against published figures, real and simulated purchases.

Ends with status 1 if one of the aims is missed.
"""

import argparse
import json
import resource
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.lifecycle.cadence.estimation import (
    RefusedFit,
    RhythmFit,
    ValueFit,
    fit_rhythm,
    fit_value,
)
from services.lifecycle.cadence.likelihood import PurchaseHistories, rhythm_objective
from services.lifecycle.domain.policy.cadence import Fit, p_no_purchase
from shared.clock import monotonic
from tests.bench import early_warning
from tests.bench.shops import Shop, cdnow_cohort, cdnow_sample, histories, mean_values, uci_retail
from tests.support.simulated_buyers import simulate

Aims = list[tuple[str, bool]]

CUT: Final = date(1997, 10, 1)
TOLERANCE: Final = 1e-3
CUSTOMERS: Final = 1_000_000
TRUE: Final = {"r": 0.65, "alpha": 7.0, "a": 0.8, "b": 1.6}


def fitted(found: PurchaseHistories) -> RhythmFit:
    """Fit histories that must have a fit."""
    rhythm = fit_rhythm(found)
    if isinstance(rhythm, RefusedFit):
        raise SystemExit(f"no fit: {rhythm.reason}")
    return rhythm


def as_fit(rhythm: RhythmFit, at: date) -> Fit:
    """The fit as the fold knows it."""
    begin = datetime(at.year, at.month, at.day, tzinfo=UTC)
    return Fit(1, begin, rhythm.r, rhythm.alpha, rhythm.a, rhythm.b)


def compare(name: str, found: RhythmFit | ValueFit, expected: dict[str, float]) -> float:
    """Print figures beside the published ones; returns the greatest relative error."""
    worst = 0.0
    for key, reference in expected.items():
        value = getattr(found, "log_likelihood" if key == "LL" else key)
        worst = max(worst, error := abs(value / reference - 1))
        print(f"  {name:22} {key:6} {value:16.6f} {reference:16.6f} {error:10.1e}")
    return worst


def reference_figures(folder: Path, cohort: Shop) -> Aims:
    """(a) Parameters and log-likelihoods of CDNOW, 39 weeks."""
    path = folder / "reference_numbers.json"
    if not path.exists():
        print(f"  skipped: {path} is missing (--data names its folder)")
        return []
    known: dict[str, Any] = json.loads(path.read_text())
    full = known["full_cdnow_23570_39w_own"]
    value = fit_value(*mean_values(cohort, CUT))
    if isinstance(value, RefusedFit):
        raise SystemExit(f"no fit: {value.reason}")
    print(f"  {'':22} {'':6} {'fitted':>16} {'reference':>16} {'rel. error':>10}")
    worst = max(
        compare(
            "MBG/NBD, 1/10 sample",
            fitted(histories(cdnow_sample(), CUT)),
            known["mbg_cdnow_sample"]["lifetimes/own"],
        ),
        compare("MBG/NBD, all", fitted(histories(cohort, CUT)), full["MBG"]),
        compare("Gamma-Gamma, all", value, full["GG"]),
    )
    return [(f"relative error at most {TOLERANCE:g}", worst <= TOLERANCE)]


def calibration(cohort: Shop) -> Aims:
    """(c) P(no purchase in 90 days) at the end of 1997, by deciles."""
    begin = date(1998, 1, 1)
    end = date(1998, 4, 1)
    fit = as_fit(fitted(histories(cohort, begin)), begin)
    rows = []
    for spent in cohort.values():
        days = sorted(day for day in spent if day < begin)
        known = (len(days) - 1, (days[-1] - days[0]).days / 7, ((begin - days[0]).days - 1) / 7)
        rows.append(
            (p_no_purchase(fit, *known, 90 / 7), not any(begin <= day < end for day in spent))
        )
    errors = []
    print("  decile   predicted   observed     error")
    for number, part in enumerate(np.array_split(np.array(sorted(rows), dtype=float), 10), start=1):
        predicted, observed = part.mean(axis=0)
        errors.append(abs(predicted - observed))
        print(f"  {number:6} {predicted:11.3f} {observed:10.3f} {predicted - observed:+9.3f}")
    print(f"  mean error {np.mean(errors):.4f}")
    return [("mean error at most 0.03", bool(np.mean(errors) <= 0.03))]


def simulated(customers: int, seed: int) -> Aims:
    """(d) Customers of known parameters; read each deviation beside its sampling error."""
    sample = simulate(customers, TRUE, seed=seed)
    began = monotonic()
    rhythm = fitted(sample)
    seconds = monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worst = 0.0
    print("            fitted       true   deviation   sampling error")
    for (name, true), deviation in zip(TRUE.items(), sampling_errors(sample, rhythm), strict=True):
        value = getattr(rhythm, name)
        worst = max(worst, error := abs(value / true - 1))
        print(f"  {name:6} {value:10.4f} {true:10.4f} {error:11.2%} {deviation:16.2%}")
    print(
        f"  {customers:,} customers, {len(sample.x):,} different, "
        f"{rhythm.repeats:,} repeat purchases: {seconds:.1f} s"
    )
    print(f"  greatest memory of this process, simulation included: {peak:,.0f} MiB")
    return [
        ("parameters within 2 %", worst <= 0.02),
        ("fitted in 15 s", seconds < 15),
        ("less than 1 GB", peak < 1e9 / 2**20),
    ]


def sampling_errors(sample: PurchaseHistories, rhythm: RhythmFit) -> list[float]:
    """The relative standard errors of the parameters, from the curvature of the likelihood."""
    objective = rhythm_objective(sample)
    step = 1e-4
    logs = np.log([getattr(rhythm, name) for name in TRUE])
    curvature = [
        (objective(logs + e)[1] - objective(logs - e)[1]) / (2 * step)
        for e in step * np.eye(len(logs))
    ]
    return [float(error) for error in np.sqrt(np.diag(np.linalg.inv(np.array(curvature))))]


def degenerate(folder: Path) -> Aims:
    """(e) A shop that nobody seems to leave."""
    path = folder / "uciretail.jsonl.gz"
    if not path.exists():
        print(f"  skipped: {path} is missing (--data names its folder)")
        return []
    answer = fit_rhythm(histories(uci_retail(path), date(2011, 12, 10)))
    print(f"  {answer}")
    return [("refused", isinstance(answer, RefusedFit))]


def verdict(aims: Aims) -> bool:
    """Print whether each aim was reached; returns whether all were."""
    for aim, reached in aims:
        print(f"  {'reached' if reached else 'MISSED '}  {aim}")
    return all(reached for _, reached in aims)


def main() -> None:
    """Run all five parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data"),
        help="reference_numbers.json, uciretail",
    )
    parser.add_argument("--plot", type=Path, default=Path("docs/images/early-warning.svg"))
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="how many are simulated")
    parser.add_argument("--seed", type=int, default=1, help="which ones are simulated")
    chosen = parser.parse_args()
    cohort = cdnow_cohort()
    before = fitted(histories(cohort, CUT))
    parts: tuple[tuple[str, Callable[[], Aims]], ...] = (
        ("(a) Published figures: CDNOW, 39 weeks", lambda: reference_figures(chosen.data, cohort)),
        (
            "(b) Early warning: CDNOW",
            lambda: early_warning.report(as_fit(before, CUT), cohort, chosen.plot),
        ),
        ("(c) Calibration: CDNOW at the end of 1997", lambda: calibration(cohort)),
        ("(d) Simulated customers", lambda: simulated(chosen.customers, chosen.seed)),
        ("(e) A fit that is refused: UCI Online Retail", lambda: degenerate(chosen.data)),
    )
    reached = True
    for title, part in parts:
        print(f"\n{title}\n")
        reached &= verdict(part())
    sys.exit(not reached)


if __name__ == "__main__":
    main()
