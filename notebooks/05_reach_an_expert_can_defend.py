# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Reach an expert can defend
#
# One retailer has answered. What do its noisy counts buy in placing a published notice, where does the width of an
# estimate come from, what could the other side say, and would the fund last? Audiences, universe and prices are
# invented; the rates of claims are those of a study by the FTC.

# %%
import json
from dataclasses import replace

import pandas as pd

import dpnotice as dn
from dpnotice.analyst.media.drift import STEADY

releases = dn.load_releases("releases/*.release")
members = dn.estimate_class(releases[:1], outside=dn.beta(mean=0.2, sd=0.05))
print(members.statement())

# %% [markdown]
# ## The same money, placed evenly and placed by the counts
#
# Radio weight is bought over 51 states of equal size. Placed evenly, every state hears as much; placed by the counts, a
# state gets the share of it that it has of the buyers. No name is needed for that.

# %%
levels = members.axes["state"].levels
universe = pd.DataFrame({"state": levels, "persons": [4e6] * (len(levels) - 1) + [0]})
even = pd.DataFrame({"state": levels, "share": [1 / (len(levels) - 1)] * (len(levels) - 1) + [0]})


radio = dn.Broadcast(
    "radio",
    grps=dn.lognormal(mean=60, sd=6),
    reach_cap=dn.beta(mean=0.85, sd=0.03),
    dispersion=dn.lognormal(mean=0.8, sd=0.2),
    universe=universe,
    target=even,
    cost_usd=300_000,
    source="invented",
    as_of="2016",
)
placed_radio = replace(radio, target=dn.delivery_by(members, "state"))
evenly = dn.NoticePlan("placed evenly", [radio])
counted = dn.NoticePlan("placed by the counts", [placed_radio])
placed = dn.compare([evenly, counted], members, seed=7)
gain = placed.difference("placed by the counts", "placed evenly")
print(gain.statement())
placed.to_frame()

# %% [markdown]
# ## Where the width comes from
#
# With a magazine and the retailer's own e-mail beside the radio, the interval is split between its sources. The shares sum
# to the whole: each is a source's mean gain over all orders in which the sources could be set free.

# %%
paper = dn.Print(
    "weekly",
    reach_1=dn.beta(mean=0.13, sd=0.01),
    reach_2=0.18,
    insertions=4,
    cost_usd=90_000,
    source="invented",
    as_of="2016",
)
email = dn.Direct(
    releases[0].retailer,
    mode="email",
    cooperation="sends_itself",
    delivered=dn.beta(mean=0.93, sd=0.03),
    seen=dn.beta(mean=0.4, sd=0.05),
    unit_cost_usd=0.01,
    source="invented",
    as_of="2016",
)
plan = dn.NoticePlan(
    "radio, weekly and e-mail", [*counted.notices, paper, email], exclusions=["press releases"]
)
reach = dn.estimate_reach(plan, members, seed=7)
print(reach.statement())
reach.explain().round(4)

# %% [markdown]
# What can be said without the model stands beside it, from the widest to the narrowest.

# %%
reach.ladder().drop(columns="rests_on").round(3)

# %%
[round(reach.reach_n_plus(times).estimate, 3) for times in (1, 2, 3, 5)]

# %% [markdown]
# If a survey says who hears the radio and reads the weekly, the dependence is no longer elicited. Here they hardly share
# a public: reach rises, and its interval narrows.

# %%
known = dn.Duplications(
    {("radio", "weekly"): 0.02},
    reach_1={"radio": 0.35, "weekly": 0.13},
    persons=5_000,
    source="invented",
)
apart = dn.NoticePlan("duplication known", plan.notices, dependence=known)
print(dn.estimate_reach(apart, members, seed=7).statement())

# %% [markdown]
# ## What the other side could say
#
# The trade's formulas are there to reproduce a figure, with a warning where they are known to break. And a declaration's
# own figures can be held against each other: printed numbers are read as intervals, and only what cannot be true is
# flagged.

# %%
print(dn.classic.sainsbury(reach_1=[0.35, 0.13]).reach)
said = dn.audit(
    [
        {"quantity": "universe", "printed": "200 million", "unit": "persons"},
        {"quantity": "impressions", "printed": "480 million", "unit": "exposures"},
        {"quantity": "reach", "printed": "72.0 %", "unit": "percent", "of": "universe"},
        {"quantity": "frequency", "printed": "3.6", "unit": "times"},
    ]
)
print(said.statement())

# %% [markdown]
# ## Claims, and the fund
#
# Rates are per member who is sent a notice; nobody knows the rate for publication alone, so it must be stated.

# %%
claims = dn.expected_claims(
    reach,
    rates={"email": dn.priors.claims_email, "publication": dn.beta(mean=0.002, sd=0.001)},
    validity=dn.beta(mean=0.9, sd=0.03),
    tiers=[dn.Tier(amount_usd=25)],
    fund_usd=50_000.0,
    shortfall="pro_rata_all",
)
print(claims.statement())

# %% tags=["numbers"]
exact = dn.estimate_reach(dn.NoticePlan("exact", [paper, email], drift=STEADY), members, seed=7)
numbers = {
    "gain": [gain.estimate, gain.lower, gain.upper],
    "reach": list(reach.interval()),
    "apart": list(dn.estimate_reach(apart, members, seed=7).interval()),
    "steady": list(exact.interval()),
}
print(json.dumps(numbers))
