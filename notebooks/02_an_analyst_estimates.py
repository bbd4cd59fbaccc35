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
# # 02 · An analyst estimates
#
# Three retailers have answered the same inquiry. The analyst has their files and public facts, and nothing else.
# The retailers and the figures of the media are invented; the releases lie beside this notebook, so that its
# numbers come out the same wherever it runs.

# %%
import json

import dpnotice as dn

releases = dn.load_releases("releases/*.release")
[(release.retailer, release.epsilon, int(release.tables[()].counts)) for release in releases]

# %% [markdown]
# ## One retailer: points with intervals
#
# Seen alone, a retailer's buyers can be estimated. The interval comes from the published law of the noise and holds
# whatever the true counts are.

# %%
one = dn.estimate_class(releases[:1])
print(one.statement())
one.summary().head(8)

# %% [markdown]
# ## Several retailers: bounds
#
# People buy at more than one place, and nothing in the files says who. So the class is at least the largest
# retailer's buyers and at most the sum; every figure that depends on the overlap is a pair of ends.

# %%
members = dn.estimate_class(releases)
print(members.statement())
members.overlap()

# %% [markdown]
# Some purchasers bought elsewhere. That is a statement of the analyst's, with its uncertainty; from here on the
# sentences speak of class members.

# %%
members = dn.estimate_class(releases, outside=dn.beta(mean=0.2, sd=0.05), users_per_buyer=1.2)
print(members.statement())

# %% [markdown]
# ## Notice plans
#
# What does each alternative reach, and whose records would it disclose?

# %%
delivered = dn.beta(mean=0.93, sd=0.03)
magazines = [
    dn.Print("weekly", reach_1=0.13, reach_2=0.18, insertions=2, source="invented", as_of="2016"),
    dn.Print("monthly", reach_1=0.08, reach_2=0.10, insertions=3, source="invented", as_of="2016"),
]
sent = [
    dn.Direct(
        release.retailer, mode="email", cooperation="sends_itself", delivered=delivered, seen=1.0
    )
    for release in releases
]
listed = [
    dn.Direct(
        release.retailer, mode="post", cooperation="hands_over_list", delivered=delivered, seen=1.0
    )
    for release in releases
]
plans = [
    dn.NoticePlan("publication", magazines),
    dn.NoticePlan("retailer e-mail + publication", sent + magazines),
    dn.NoticePlan("names handed over + publication", listed + magazines),
]
comparison = dn.compare(plans, members, reach_at_least=0.70, seed=7)
comparison.to_frame()

# %%
print(comparison.estimates[1].statement())
print("\n".join(comparison.estimates[1].assumptions))

# %% tags=["numbers"]
numbers = {
    "size_lower": members.size().lower,
    "size_upper": members.size().upper,
    "reach": [list(estimate.interval()) for estimate in comparison.estimates],
}
print(json.dumps(numbers))

# %% [markdown]
# The bars are bounds: where in them the truth lies depends on how many people bought at several retailers.

# %%
comparison.plot()
