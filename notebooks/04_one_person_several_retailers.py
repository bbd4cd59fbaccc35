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
# # 04 · One person, several retailers
#
# Counts cannot say who bought at two retailers. With a `[sketch]` in the inquiry each release also carries a bitmap: one
# bit for every buyer with an e-mail address, at a place that a keyed hash of the address decides, and every bit flipped
# by chance. Nobody can read a person off it, and yet all of them together tell how many persons there are.
#
# ## Before anybody answers
#
# What will the noise do? It hangs on sizes and losses only.

# %%
import json

import dpnotice as dn

planned = dn.plan_error(n=30_000, k=3, epsilon="2")
planned[["quantity", "size", "sd", "relative_sd", "frechet_width"]].round(4)

# %% [markdown]
# `frechet_width` is how far apart the counts alone leave it. Ten times the buyers make the relative error three times
# smaller: a million buyers are as sharp at ε = 1.
#
# ## Three releases
#
# The purchases are synthetic: 60,000 persons, of whom one in four also bought at each further retailer, and one in twenty
# gave another address there (`dn.datasets.wen_like(n_retailers=3, n_buyers=60_000, overlap=0.25, linkage=0.95,
# sketch_epsilon="2")`). The releases lie beside this notebook, so that its numbers come out the same wherever it runs.

# %%
releases = dn.load_releases("sketched/*.release")
members = dn.estimate_class(releases)
print(members.statement())

# %% [markdown]
# The figure takes every address for one person, and says so. One in twenty is not, and so it is too high: what looks
# like two people is often one. How often keys agree is the analyst's statement, never a default. A few of them side by
# side show what it is worth:

# %%
for share in (1.0, dn.beta(mean=0.97, sd=0.01), dn.beta(mean=0.95, sd=0.01)):
    print(dn.estimate_class(releases, linkage=share).size().statement())

# %%
members = dn.estimate_class(releases, linkage=dn.beta(mean=0.95, sd=0.01))
members.overlap().round()

# %% [markdown]
# ## What it rests on
#
# The ladder says what can be said by how much is taken for granted, the widest first. It always stands beside a figure.

# %%
members.ladder()[["rung", "estimate", "lower", "upper"]].round()

# %% [markdown]
# And where the error comes from: the tables, the sketches, or the statement on links.

# %%
sources = members.explain()
sources.sort_values("share_of_variance", ascending=False).head(4).round(3)

# %% [markdown]
# ## What it does to reach
#
# Three retailers write to their own buyers. Without sketches the reach of all three together is a pair of ends; with them
# it is a figure.

# %%
delivered = dn.beta(mean=0.93, sd=0.03)
sent = [
    dn.Direct(r.retailer, mode="email", cooperation="sends_itself", delivered=delivered, seen=1.0)
    for r in releases
]
plan = dn.NoticePlan("e-mail by all three", sent)
apart = dn.estimate_class(releases, overlap="bounds")
for known in (apart, members):
    print(dn.estimate_reach(plan, known, draws=4_000, seed=1).statement())

# %% tags=["numbers"]
reach = dn.estimate_reach(plan, members, draws=4_000, seed=1)
size = members.size()
print(
    json.dumps(
        {
            "planned": planned["sd"].tolist(),
            "size": [size.estimate, size.lower, size.upper],
            "reach": [reach.reach, *reach.interval()],
        }
    )
)
