"""Inquiries and releases made for tests."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from dpnotice.bitmap import Sketch
from dpnotice.inquiry import Inquiry
from dpnotice.layout import NoisyTable
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.release import Release

Names = tuple[str, ...]


def wen(**changes: Any) -> Inquiry:
    """Two states, four kinds of contact, and a loss that lets the noise be small."""
    content = {
        "format": 1,
        "name": "wen",
        "title": "Purchasers of WEN",
        "period": ["2007-11-01", "2016-09-20"],
        "timezone": "UTC",
        "products": ["tonic"],
        "axes": {"state": ["CA", "NY"], "contact": ["email+post", "email", "post", "none"]},
        "tables": [{"of": []}, {"of": ["state", "contact"]}],
        "privacy": {"epsilon": "20"},
    }
    return Inquiry.from_dict(content | changes)


def matter(**changes: Any) -> Inquiry:
    """One year, two states, and the total only."""
    content = {
        "format": 1,
        "name": "matter",
        "title": "Purchasers",
        "period": ["2020-01-01", "2021-01-01"],
        "timezone": "UTC",
        "products": ["p"],
        "axes": {"state": ["CA", "NY"]},
        "tables": [{"of": []}],
        "privacy": {"epsilon": "1"},
    }
    return Inquiry.from_dict(content | changes)


def marginal(asked: Inquiry, full: Any, names: Names) -> Any:
    """Counts over every axis, summed over the axes that are not named."""
    away = tuple(i for i, name in enumerate(asked.axes) if name not in names)
    return np.sum(full, axis=away)


def laplace(rng: np.random.Generator, scale: float, size: Any) -> Any:
    """Discrete Laplace noise: the difference of two geometric numbers."""
    p = 1 - np.exp(-1 / scale)
    return rng.geometric(p, size) - rng.geometric(p, size)


def gaussian(rng: np.random.Generator, scale: float, size: Any) -> Any:
    """Discrete Gaussian noise: its distribution function inverted, as far as a float can tell."""
    far = math.ceil(9 * scale) + 1
    z = np.arange(-far, far + 1)
    reached = np.cumsum(np.exp(-(z**2) / (2 * scale**2)))
    return np.searchsorted(reached, reached[-1] * rng.random(size), side="right") - far


def drawn(rng: np.random.Generator, noise: Noise, size: Any) -> Any:
    """Noise of a published law, simulated with numpy."""
    draw = laplace if noise.law == NoiseLaw.DISCRETE_LAPLACE else gaussian
    return draw(rng, noise.scale, size)


def release(
    asked: Inquiry,
    counts: Mapping[Names, Any],
    scale: float | Mapping[Names, float],
    *,
    retailer: str = "sephora",
    attempt: int = 0,
    sketch: Sketch | None = None,
) -> Release:
    """Exactly these counts, said to carry noise of one scale, or of a scale by table."""
    scales = scale if isinstance(scale, Mapping) else dict.fromkeys(asked.tables, scale)
    law = asked.noise_law
    return Release(
        retailer=retailer,
        inquiry=asked,
        tables={
            of: NoisyTable(counts=np.asarray(counts[of]), noise=Noise(law=law, scale=scales[of]))
            for of in asked.tables
        },
        attempt=attempt,
        date=date(2026, 1, 31),
        ledger_sequence=1,
        ledger_head="0" * 64,
        versions={},
        sketch=sketch,
    )


def noisy_release(
    asked: Inquiry,
    full: Any,
    *,
    retailer: str = "sephora",
    scale: float = 0.1,
    rng: np.random.Generator | None = None,
) -> Release:
    """The tables of these counts over every axis, with noise of the inquiry's law drawn."""
    rng = np.random.default_rng(len(retailer)) if rng is None else rng
    noise = Noise(law=asked.noise_law, scale=scale)
    counts = {
        of: marginal(asked, full, of) + drawn(rng, noise, asked.shape(of)) for of in asked.tables
    }
    return release(asked, counts, scale, retailer=retailer)
