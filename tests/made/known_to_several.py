"""Persons known to several retailers, notified one by one: what reach is compared with.

In: who can be written to where, and how far that agrees between retailers. Out: a class with
sketches, and the share of its persons who see a notice, counted.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from dpnotice import estimate_class
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.known import Known
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from made.notices import direct
from made.sketched import World, answered, asking, regions, spread, world_of

Floats = Any
AXES = {"state": ["CA", "NY"], "contact": ["email", "post", "none"]}
TABLES = [{"of": []}, {"of": ["state", "contact"]}]
PLANES = {"email": ["email"], "other": ["post", "none"]}
CONTACT = np.array([[[0.7, 0.2, 0.1, 0.0]], [[0.4, 0.4, 0.2, 0.0]], [[0.2, 0.5, 0.2, 0.1]]])
"""Chances of e-mail, post, none and unknown at three retailers, alike in all states."""
MAILED = CONTACT[:, 0, 0]
DELIVERED, SEEN, READERS = (0.95, 0.8, 0.9), (0.9, 0.7, 0.6), 0.2
STATES = [0.6, 0.35, 0.05]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Notified:
    """A class, and every one of its persons.

    Attributes:
        members: estimated.
        world: the persons.
        rng: of the test.
    """

    members: ClassEstimate
    world: World
    rng: np.random.Generator

    def apart(self) -> ClassEstimate:
        """Estimate the class with the sketches left aside."""
        return replace(self.members, known=Known(retailers=self.members.retailers))

    def share(self, *, together: bool, paper: bool = True, senders: Any = (0, 1, 2)) -> float:
        """Count the persons who are reached.

        Args:
            together: whether a person sees either all that is sent to them, as far as it can, or
                each notice by itself.
            paper: whether a publication goes out too.
            senders: numbers of the retailers that send an e-mail.
        """
        persons = len(self.world.masks)
        habit = self.rng.random(persons)
        reached = (self.rng.random(persons) < READERS) & paper
        assert self.world.contact is not None
        for number in senders:
            sent = self.world.at(number) & (self.world.contact[number] == 0)
            chance = habit if together else self.rng.random(persons)
            reached |= sent & (chance < DELIVERED[number] * SEEN[number])
        return float(reached.mean())


@cache
def notified(
    seed: int, *, agree: float = 0.0, planes: bool = False, k: int = 3, each: int = 20_000
) -> Notified:
    """Simulate persons; `agree` of them have a contact by one habit at all retailers."""
    rng = np.random.default_rng([seed, k])
    sketch = {"planes": PLANES} if planes else {}
    asked = asking(epsilon="4", expected=each, axes=AXES, tables=TABLES, sketch=sketch)
    world = world_of(spread(regions(each, k, "mid"), STATES), rng, CONTACT[:k])
    if agree:
        habit, by_habit = rng.random(len(world.masks)), rng.random(len(world.masks)) < agree
        alike = [np.searchsorted(np.cumsum(row[0])[:-1], habit, "right") for row in CONTACT[:k]]
        world = replace(world, contact=np.where(by_habit, alike, world.contact))
    members = estimate_class(answered(asked, world, rng))
    return Notified(members=members, world=world, rng=rng)


def emails(*numbers: int) -> list[Direct]:
    """One e-mail from each of these retailers."""
    return [direct(f"r{i}", delivered=DELIVERED[i], seen=SEEN[i]) for i in numbers]


def mailing(*numbers: int, paper: bool = True) -> NoticePlan:
    """E-mails from these retailers, and a publication."""
    published = [Print("Weekly", reach_1=READERS)] if paper else []
    return NoticePlan("all", [*emails(*numbers), *published])
