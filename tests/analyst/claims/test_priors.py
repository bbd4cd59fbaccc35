import math

import numpy as np
import pytest
from scipy import special, stats

from dpnotice.analyst.claims import priors
from dpnotice.analyst.claims.priors import LogitNormal, Prior, Reference
from dpnotice.analyst.rates import Beta, Law, Uniform, check_fraction, lognormal
from made.reached import refused

PRIORS = [value for value in vars(priors).values() if isinstance(value, Prior)]
REFERENCES = [value for value in vars(priors).values() if isinstance(value, Reference)]
PRINTED = {
    "undeliverable_mail": (0.023, 0.126),
    "bounced_email": (0.006, 0.283),
    "claims_packet": (0.039, 0.358),
    "claims_postcard": (0.017, 0.123),
    "claims_email": (0.003, 0.064),
}
"""90 % of each prior, to the printed thousandth."""


@pytest.mark.parametrize("name", PRINTED)
def test_ninety_percent_of_a_prior_are_as_printed(name: str) -> None:
    law = getattr(priors, name).law
    if isinstance(law, Beta):
        ends = stats.beta(law.a, law.b).interval(0.9)
    else:
        z = np.array([-1, 1]) * stats.norm.ppf(0.95)
        logit = math.log(law.median / (1 - law.median)) + law.logit_sd * z
        ends = 1 / (1 + np.exp(-logit))
    assert np.round(ends, 3).tolist() == list(PRINTED[name])


@pytest.mark.parametrize("name", PRINTED)
def test_draws_of_a_prior_fall_where_it_says(name: str) -> None:
    """4 standard errors of a share, and rounding of the ends; a false alarm in 10^4, seeded."""
    drawn = getattr(priors, name).rvs(size=100_000, random_state=np.random.default_rng(1))
    low, high = PRINTED[name]
    for end, share in ((low, 0.05), (high, 0.95)):
        within = [np.mean(drawn < end + step) for step in (-5e-4, 5e-4)]
        assert within[0] - 0.003 < share < within[1] + 0.003


def test_rescued_mail_is_between_a_fifth_and_seven_tenths() -> None:
    assert priors.rescued_mail.law == Uniform(low=0.2, high=0.7)


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_a_prior_is_a_law_of_fractions(prior: Prior) -> None:
    assert isinstance(prior, Law)
    assert check_fraction(prior, "rate") is prior
    assert prior.mean() == prior.law.mean()


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_a_prior_names_its_source_or_says_that_it_is_elicited(prior: Prior) -> None:
    assert prior.source or "elicited" in prior.evidence
    assert prior.evidence in str(prior)
    assert (prior.source or "") in str(prior)


def test_claims_are_of_persons_sent_a_notice() -> None:
    named = [priors.claims_packet, priors.claims_postcard, priors.claims_email]
    assert {(p.counts, p.of) for p in named} == {("claims", "sent")}


def test_no_prior_stands_for_validity_or_for_publication_alone() -> None:
    assert not [name for name in vars(priors) if "valid" in name or "publication" in name]


def test_the_median_of_all_settlements_is_nine_percent() -> None:
    assert dict(priors.claims_any.figures) == {"median": 0.09, "weighted mean": 0.04}


@pytest.mark.parametrize(("claims", "members"), [(3_740, 323_000), (3_545, 323_000)])
def test_powers_lies_within_the_prior_of_email(claims: int, members: int) -> None:
    low, high = PRINTED["claims_email"]
    assert low < claims / members < high


def test_gascho_lies_within_the_prior_of_a_postcard() -> None:
    low, high = PRINTED["claims_postcard"]
    assert low < 55_600 / 606_246 < high


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: r.counts)
def test_references_are_fractions_and_read_only(reference: Reference) -> None:
    assert all(0 < value < 1 for value in reference.figures.values())
    with pytest.raises(TypeError):
        reference.figures["more"] = 0.5  # type: ignore[index]


@pytest.mark.parametrize("median", [0.01, 0.13, 0.9])
@pytest.mark.parametrize("sd", [0.05, 0.8, 2])
def test_a_logit_normal_has_the_mean_of_its_integral(median: float, sd: float) -> None:
    middle = math.log(median / (1 - median))
    oracle = stats.norm(middle, sd).expect(special.expit)
    assert LogitNormal(median=median, logit_sd=sd).mean() == pytest.approx(oracle, rel=1e-6)


@pytest.mark.parametrize(("median", "sd"), [(0, 1), (1, 1), (13, 0.8), (0.1, 0), (0.1, math.inf)])
def test_a_logit_normal_of_no_fraction_is_refused(median: float, sd: float) -> None:
    message = refused(lambda: LogitNormal(median=median, logit_sd=sd))
    assert "0 < median < 1 and logit_sd above 0" in message


def test_a_prior_of_more_than_everybody_is_refused() -> None:
    law = lognormal(mean=0.1, sd=0.1)
    message = refused(lambda: Prior(counts="claims", of="sent", law=law, evidence="made"))
    assert "claims of sent must be a fraction" in message


def test_a_prior_without_evidence_is_refused() -> None:
    law = Uniform(low=0, high=1)
    assert "evidence" in refused(lambda: Prior(counts="claims", of="sent", law=law, evidence=" "))


def test_a_reference_in_percent_is_refused() -> None:
    figures = {"median": 9.0}
    message = refused(
        lambda: Reference(counts="claims", of="sent", figures=figures, source="s", as_of="2019")
    )
    assert "claims: median must be a fraction" in message
