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
# # 03 · Before anybody answers
#
# The parties draft an inquiry. Which tables should it list, and what privacy loss does the answer need? Both follow
# from the inquiry alone: the law of the noise is public, so no data is touched and no budget is spent.

# %%
import json

import dpnotice as dn

states = ["CA", "FL", "NY", "TX", "VT"]
draft = dn.Inquiry.from_dict(
    {
        "format": 1,
        "name": "invented",
        "title": "Purchasers of an invented product",
        "period": ["2012-01-01", "2016-01-01"],
        "timezone": "America/New_York",
        "products": ["tonic"],
        "axes": {
            "state": states,
            "age": ["18-34", "35-54", "55+"],
            "contact": ["email+post", "email", "post", "none"],
        },
        "tables": [{"of": []}, {"of": ["state"]}, {"of": ["age"]}, {"of": ["age", "contact"]}],
        "quoted": [["state"], ["contact"], ["state", "contact"]],
        "privacy": {"epsilon": "0.5"},
    }
)

# %% [markdown]
# ## Which tables
#
# The draft means to quote contact by state, and no table holds both.

# %%
advice = dn.advise(draft)
print(advice.statement())
advice.to_frame()

# %%
inquiry = advice.proposal
[" x ".join(table) or "total" for table in inquiry.tables]

# %% [markdown]
# ## How sharp
#
# A share of all buyers is sharp even in a small class; a share within one state needs enough buyers in that state.

# %%
reachable = {"contact": ["email", "email+post"]}
in_vermont = reachable | {"within": {"state": "VT"}}
national = dn.forecast(inquiry, class_size=(50_000, 80_000), query=reachable)
print(national.statement())
print(dn.forecast(inquiry, class_size=300, query=in_vermont).statement())
national.explain()

# %% [markdown]
# A court that wants one point either way among the 300 buyers of Vermont needs a larger loss:

# %%
needed = dn.solve_epsilon(inquiry, half_width=0.01, class_size=300, query=in_vermont)
print(needed)

# %% [markdown]
# ## What the loss buys for a plan
#
# The reach of a plan is uncertain for its own reasons. From some loss on, less noise buys nothing.

# %%
email = dn.Direct(
    "maple",
    mode="email",
    cooperation="sends_itself",
    delivered=dn.beta(mean=0.93, sd=0.03),
    seen=0.6,
)
weekly = dn.Print("weekly", reach_1=dn.beta(mean=0.3, sd=0.02), insertions=1)
plan = dn.NoticePlan("e-mail and a weekly", [email, weekly])
foretold = dn.forecast(inquiry, class_size=900, plan=plan)
print(foretold.statement())
frontier = foretold.frontier(target=0.5)
frontier.plot()
# %% tags=["numbers"]
print(
    json.dumps(
        {
            "national": national.half_width,
            "needed": float(needed),
            "buyers": national.smallest_class(),
            "plan": foretold.half_width,
        }
    )
)
