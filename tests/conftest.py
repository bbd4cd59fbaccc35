"""What every test shares: a screenless backend and three hypothesis profiles."""

import os

from hypothesis import Phase, settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile(  # a planted fault needs no smallest example, and shrinking takes minutes
    "mutants", derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
