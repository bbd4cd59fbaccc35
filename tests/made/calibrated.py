"""Worlds whose realised reach is known: releases, what an analyst would state, and the truth.

In: a generator. Out: `World`. The truth is worked out by plain formulas of its own: laws are given
by their numbers, drawn here with numpy, and stated to the library; who is counted is fixed or drawn
here too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import dpnotice as dn
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.media.vehicle import Vehicle
from dpnotice.analyst.plan import NoticePlan
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from made.calibration_truth import (
    Law,
    agreeing,
    beta_binomial,
    negative_binomial,
    none_of,
    realised,
    shifted,
    stated,
    true,
)
from made.releases import matter, noisy_release
from made.sketched import answered, asking, spread, world_of

CONTACT = ("email+post", "email", "post", "none")
EMAIL = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
POST = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
"""Whether a notice can be sent at each level of contact, `unknown` last."""
STILL = Drift(own=0.0, common=0.0)
Floats = Any
Generator = np.random.Generator
Given = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One replication: what the analyst is given, and the truth.

    Attributes:
        releases: noise and all.
        plan: as stated.
        truth: share of all members who were exposed.
        beyond: what is stated of members in nobody's records.
    """

    releases: Sequence[Release]
    plan: NoticePlan
    truth: float
    beyond: Mapping[str, Any] = field(default_factory=dict)


# --- inquiries -----------------------------------------------------------------------------
def by(axis: Sequence[str], values: Floats) -> pd.DataFrame:
    """A frame by state."""
    return pd.DataFrame({"state": [*axis, "unknown"], "value": values})


@cache
def question(states: tuple[str, ...], law: str) -> Inquiry:
    """Ask for the total and for states by contact."""
    return matter(
        axes={"state": list(states), "contact": list(CONTACT)},
        tables=[{"of": []}, {"of": ["state", "contact"]}],
        privacy={"rho": "1"} if law == "gaussian" else {"epsilon": "1"},
    )


# --- A: privacy noise dominates ------------------------------------------------------------
THIRTY = tuple(f"S{number:02d}" for number in range(30))
FULL = 4
NEARLY_EMPTY = 8
READ_IN_FULL = np.where(np.arange(31) < FULL, 0.7, 0.1)
"""Share of readers, by state."""


def noise_dominates(rng: Generator, law: str, scale: float) -> World:
    """Four full states and 26 of 40 buyers; figures are certain, and differ between the two."""
    counts = np.full((31, 5), NEARLY_EMPTY)
    counts[:FULL] = [2000, 1000, 1000, 750, 250]
    unreached = (1 - READ_IN_FULL)[:, np.newaxis] * (1 - EMAIL * 0.9 * 0.8)
    expected = 1 - float(np.sum(counts * unreached) / counts.sum())
    return World(
        releases=[noisy_release(question(THIRTY, law), counts, scale=scale, rng=rng)],
        plan=certain(),
        truth=realised(rng, expected, counts.sum()),
    )


@cache
def certain() -> NoticePlan:
    paper = dn.Print("Local", reach_1=by(THIRTY, READ_IN_FULL))
    return NoticePlan("certain", [paper, email(0.9, 0.8)], dependence=0.0, drift=STILL)


def email(delivered: Any, seen: Any, retailer: str = "sephora") -> Direct:
    return Direct(
        retailer, mode="email", cooperation="sends_itself", delivered=delivered, seen=seen
    )


def post(delivered: Any, rescued: Any, seen: Any, retailer: str = "sephora") -> Direct:
    return Direct(
        retailer,
        mode="post",
        cooperation="sends_itself",
        delivered=delivered,
        rescued=rescued,
        seen=seen,
    )


# --- B: everything is uncertain ------------------------------------------------------------
FIVE = ("S0", "S1", "S2", "S3", "S4")
SIZES = np.array([9000, 6000, 3000, 1500, 600, 300])
CONTACTS = np.array(
    [
        [0.45, 0.25, 0.15, 0.10, 0.05],
        [0.30, 0.30, 0.20, 0.10, 0.10],
        [0.20, 0.20, 0.40, 0.10, 0.10],
        [0.10, 0.20, 0.50, 0.15, 0.05],
        [0.10, 0.10, 0.30, 0.40, 0.10],
        [0.20, 0.20, 0.20, 0.20, 0.20],
    ]
)
REGIONAL = np.array([[0.05, 0.10, 0.30, 0.40, 0.20, 0.10], [0.08, 0.16, 0.42, 0.52, 0.30, 0.15]])
"""Share that reads one insertion, and one of two, by state."""
GIVEN: Mapping[str, Law] = {
    "reach_1": ("beta", 30, 70),
    "reach_2": ("uniform", 0.36, 0.46),
    "grps": ("lognormal", math.log(90), 0.3),
    "radio cap": ("beta", 14, 6),
    "radio dispersion": ("lognormal", math.log(0.8), 0.3),
    "impressions": ("lognormal", math.log(8e6), 0.1),
    "viewable": ("beta", 14, 8),
    "invalid": ("uniform", 0.03, 0.2),
    "on_target": ("beta", 8, 12),
    "online": ("beta", 18, 2),
    "display dispersion": ("lognormal", math.log(1.0), 0.3),
    "tau": ("uniform", 0.0, 0.5),
    "email delivered": ("beta", 9, 1),
    "email seen": ("beta", 6, 6),
    "post delivered": ("beta", 56, 4),
    "post rescued": ("uniform", 0.2, 0.7),
    "post seen": ("beta", 6, 6),
    "outside": ("beta", 10, 90),
    "users": ("lognormal", math.log(1.1), 0.05),
}
UNIVERSE = 10**7
DRIFT = Drift(own=0.1, common=0.05)


@cache
def regional() -> Vehicle:
    first, either = (by(FIVE, values) for values in REGIONAL)
    return dn.Print("Regional", reach_1=first, reach_2=either, insertions=3)


@cache
def uncertain_media() -> tuple[Vehicle, ...]:
    x = {name: stated(law) for name, law in GIVEN.items()}
    return (
        dn.Print("Weekly", reach_1=x["reach_1"], reach_2=x["reach_2"], insertions=4),
        regional(),
        dn.Broadcast(
            "radio", grps=x["grps"], reach_cap=x["radio cap"], dispersion=x["radio dispersion"]
        ),
        Digital(
            "display",
            universe=UNIVERSE,
            devices_per_person=1.0,
            reach_cap=x["online"],
            dispersion=x["display dispersion"],
            **{name: x[name] for name in ("impressions", "viewable", "invalid", "on_target")},
        ),
    )


def true_media(rng: Generator, x: Mapping[str, float]) -> Floats:
    """(states,) chance of no published exposure."""
    first = GIVEN["reach_1"]
    middle = first[1] / (first[1] + first[2])
    served = x["impressions"] * (1 - x["invalid"]) * x["on_target"] * x["viewable"] / UNIVERSE
    alone = [
        beta_binomial(x["reach_1"], x["reach_2"], middle, 4),
        beta_binomial(REGIONAL[0], REGIONAL[1], REGIONAL[0], 3),
        negative_binomial(x["grps"] / 100, x["radio cap"], x["radio dispersion"]),
        negative_binomial(served, x["online"], x["display dispersion"]),
    ]
    return none_of(shifted(rng, alone, DRIFT.own, DRIFT.common), x["tau"])


def everything_uncertain(rng: Generator) -> World:
    """Media by laws, two direct notices of one retailer, members in nobody's records."""
    x = {name: true(rng, law) for name, law in GIVEN.items()}
    law = {name: stated(each) for name, each in GIVEN.items()}
    counts = np.rint(SIZES[:, np.newaxis] * CONTACTS)
    unmet = true_media(rng, x)[:, np.newaxis]
    arrives = x["post delivered"] + (1 - x["post delivered"]) * x["post rescued"]
    missed = 1 - EMAIL * x["email delivered"] * x["email seen"], 1 - POST * arrives * x["post seen"]
    together = rng.random()
    unseen = together * np.minimum(*missed) + (1 - together) * missed[0] * missed[1]
    known = 1 - float(np.sum(counts * unseen * unmet) / counts.sum())
    media = 1 - float(np.sum(counts * unmet) / counts.sum())
    users = max(1.0, x["users"])
    mixed = ((1 - x["outside"]) * known + (x["outside"] + users - 1) * media) / users
    return World(
        releases=[noisy_release(question(FIVE, "gaussian"), counts.astype(int), scale=20, rng=rng)],
        plan=NoticePlan(
            "all",
            [
                *uncertain_media(),
                email(law["email delivered"], law["email seen"]),
                post(law["post delivered"], law["post rescued"], law["post seen"]),
            ],
            dependence=law["tau"],
            drift=DRIFT,
        ),
        truth=realised(rng, mixed, counts.sum() * users / (1 - x["outside"])),
        beyond={"outside": law["outside"], "users_per_buyer": law["users"]},
    )


# --- C: two retailers with sketches --------------------------------------------------------
SHARED = (0.1, 0.5)
"""Ends of the share of a retailer's buyers whom the other knows too."""
BUYERS = 4000
SPLIT = np.array([0.6, 0.35, 0.05])
AT = np.array([[0.35, 0.30, 0.10, 0.20, 0.05], [0.20, 0.05, 0.50, 0.20, 0.05]])
"""Chances of contact at either retailer."""
READ = np.array([0.1, 0.4, 0.2])
MAIL: Mapping[str, Law] = {
    "email delivered": ("beta", 36, 4),
    "email seen": ("beta", 60, 40),
    "post delivered": ("beta", 56, 4),
    "post rescued": ("uniform", 0.2, 0.7),
    "post seen": ("beta", 70, 30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Two retailers whose sketches tell how many both know, which varies.

    Attributes:
        releases: of r0 and r1.
        people: (3, states) who are known to r0 alone, r1 alone, both.
        sent: (2, states) shares of buyers with an e-mail address at r0, a postal one at r1.
    """

    releases: Sequence[Release]
    people: Floats
    sent: Floats

    def expected(self, seen: Floats, weights: Given, unmet: Floats) -> float:
        """Share reached; `seen` (2, 1), of those sent something; `unmet` (states,)."""
        alone = self.people[:2] * (1 - self.sent * seen)
        both = self.people[2] * agreeing(self.sent, seen, *weights)
        return 1 - float(np.sum((alone.sum(axis=0) + both) * unmet) / self.people.sum())


@cache
def of_both(epsilon: str) -> Inquiry:
    return asking(
        epsilon=epsilon,
        counts="1",
        expected=BUYERS,
        axes={"state": ["S0", "S1"], "contact": list(CONTACT)},
        tables=[{"of": []}, {"of": ["state", "contact"]}],
    )


def joined(rng: Generator, epsilon: str) -> Joined:
    """Persons, their contact at either retailer, and releases; `epsilon` of each sketch."""
    shared = round(BUYERS * rng.uniform(*SHARED))
    people = spread(np.array([BUYERS - shared, BUYERS - shared, shared]), SPLIT)
    world = world_of(people, rng, contact=AT[:, np.newaxis])
    assert world.contact is not None
    sent = np.empty((2, 3))
    for number, usable in enumerate((EMAIL, POST)):
        for state in range(3):
            there = world.at(number) & (world.cell == state)
            sent[number, state] = usable[world.contact[number, there]].mean()
    return Joined(releases=answered(of_both(epsilon), world, rng), people=people, sent=sent)


def two_retailers(rng: Generator) -> World:
    """One sends e-mail, the other letters; whether notices to one person agree is elicited."""
    world = joined(rng, "2")
    x = {name: true(rng, law) for name, law in MAIL.items()}
    law = {name: stated(each) for name, each in MAIL.items()}
    arrives = x["post delivered"] + (1 - x["post delivered"]) * x["post rescued"]
    seen = np.array([[x["email delivered"] * x["email seen"]], [arrives * x["post seen"]]])
    (unmet,) = shifted(rng, [1 - READ], DRIFT.own, DRIFT.common)
    expected = world.expected(seen, (rng.random(), rng.random()), unmet)
    notices = [
        local(),
        email(law["email delivered"], law["email seen"], "r0"),
        post(law["post delivered"], law["post rescued"], law["post seen"], "r1"),
    ]
    return World(
        releases=world.releases,
        plan=NoticePlan("mail", notices, dependence=0.0, drift=DRIFT),
        truth=realised(rng, expected, world.people.sum()),
    )


def overlap_uncertain(rng: Generator) -> World:
    """Only one of them writes, and all else is certain: reach hangs on how many are known."""
    world = joined(rng, "0.5")
    expected = world.expected(np.array([[0.72], [0.0]]), (0.0, 0.0), 1 - READ)
    return World(
        releases=world.releases,
        plan=NoticePlan("mail", [local(), email(0.9, 0.8, "r0")], dependence=0.0, drift=STILL),
        truth=realised(rng, expected, world.people.sum()),
    )


@cache
def local() -> Vehicle:
    return dn.Print("Local", reach_1=by(("S0", "S1"), READ))


# --- D: audiences drift, and nothing else --------------------------------------------------
def audiences_drift(rng: Generator) -> World:
    """Figures and dependence are certain, and noise is small."""
    counts = np.rint(SIZES[:, np.newaxis] * CONTACTS).astype(int)
    alone = [
        beta_binomial(np.array(0.3), 0.42, 0.3, 4),
        beta_binomial(REGIONAL[0], REGIONAL[1], REGIONAL[0], 3),
        negative_binomial(0.9, 0.7, 0.8),
    ]
    unmet = none_of(shifted(rng, alone, DRIFT.own, DRIFT.common), 0.3)
    plan = NoticePlan(
        "media",
        [
            dn.Print("Weekly", reach_1=0.3, reach_2=0.42, insertions=4),
            regional(),
            dn.Broadcast("radio", grps=90, reach_cap=0.7, dispersion=0.8),
        ],
        dependence=0.3,
        drift=DRIFT,
    )
    expected = 1 - float(np.sum(counts.sum(axis=1) * unmet) / counts.sum())
    return World(
        releases=[noisy_release(question(FIVE, "gaussian"), counts, scale=5, rng=rng)],
        plan=plan,
        truth=realised(rng, expected, counts.sum()),
    )


# --- E: deliverability dominates -----------------------------------------------------------
def mail_uncertain(rng: Generator) -> World:
    """E-mail, letters after bounces and re-mailing, all by laws; a certain publication."""
    x = {name: true(rng, law) for name, law in MAIL.items()}
    law = {name: stated(each) for name, each in MAIL.items()}
    counts = np.rint(SIZES[:, np.newaxis] * CONTACTS).astype(int)
    mailed, letter = x["email delivered"], x["post delivered"]
    letter = letter + (1 - letter) * x["post rescued"]
    arrived = np.array([mailed + (1 - mailed) * letter, mailed, letter, 0, 0])
    unmet = beta_binomial(REGIONAL[0], REGIONAL[1], REGIONAL[0], 3)[:, np.newaxis]
    notice = Direct(
        "sephora",
        mode="email_then_post",
        cooperation="sends_itself",
        delivered=law["email delivered"],
        delivered_post=law["post delivered"],
        rescued=law["post rescued"],
        seen=law["email seen"],
    )
    expected = 1 - float(np.sum(counts * unmet * (1 - arrived * x["email seen"])) / counts.sum())
    return World(
        releases=[noisy_release(question(FIVE, "gaussian"), counts, scale=20, rng=rng)],
        plan=NoticePlan("mail", [regional(), notice], dependence=0.0, drift=STILL),
        truth=realised(rng, expected, counts.sum()),
    )


SCENARIOS: Mapping[str, Callable[[Generator], World]] = {
    "Gaussian noise": partial(noise_dominates, law="gaussian", scale=100.0),
    "Laplace noise": partial(noise_dominates, law="laplace", scale=70.0),
    "everything uncertain": everything_uncertain,
    "two retailers": two_retailers,
    "overlap uncertain": overlap_uncertain,
    "audiences drift": audiences_drift,
    "mail uncertain": mail_uncertain,
}
