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
# # 01 · A retailer answers
#
# A court wants to know how many buyers of a product could be told about a settlement, and how. A retailer
# knows who they are and does not want to hand over their names. In this notebook it answers a public question
# with one small file, and nothing else leaves its walls.
#
# The purchases are synthetic, made on the spot: one retailer of a matter like WEN.

# %%
import tempfile
from pathlib import Path

import dpnotice as dn

folder = Path(tempfile.mkdtemp())
case = dn.datasets.wen_like(folder / "inside", n_buyers=20_000, n_retailers=2, seed=1)
retailer = case.retailers[0]

# %% [markdown]
# ## The question
#
# Both sides hold the same inquiry: products, class period, axes with public levels, the tables to be released and
# the privacy loss. Its digest stands in every answer.

# %%
inquiry = case.inquiry
inquiry.save(folder / "wen.inquiry.toml")
inquiry.title, inquiry.period, inquiry.tables, inquiry.digest[:16]

# %% [markdown]
# ## Where the purchases are
#
# A mapping of columns is all that dpnotice needs to know. Here they lie in Parquet files; a pandas frame, or a
# table in DuckDB, PostgreSQL or Spark, works the same way.

# %%
purchases = case.purchases(retailer)
purchases

# %% [markdown]
# ## The budget
#
# A ledger is made once. Every answer is debited before any noise is drawn; the cap cannot be raised.

# %%
ledger = dn.Ledger.create(folder / "inside" / "budget.ledger", epsilon_cap="2")
ledger.remaining(inquiry, retailer)

# %% [markdown]
# ## The answer
#
# Look up, count, debit, draw, store. Asking the same question again costs nothing and returns the same bytes, so
# nobody can average the noise away.

# %%
release = dn.answer(inquiry, purchases, retailer=retailer, ledger=ledger)
again = dn.answer(inquiry, purchases, retailer=retailer, ledger=ledger)
assert again.to_bytes() == release.to_bytes()
release.save(folder / f"{retailer}.release")

# %% [markdown]
# ## What leaves
#
# The privacy card is the page that the retailer's counsel reads before the file goes out.

# %%
print(release.privacy_card(ledger))

# %% [markdown]
# Every released number, with the law and the standard deviation of its noise. Small cells may be negative: that is
# what unbiased noise looks like, and it is never clipped before sums are taken.

# %%
release.to_frame().head(12)

# %% [markdown]
# The analyst's first look at it: the age of this retailer's buyers, each share with its interval.

# %%
dn.estimate_class([release]).plot(by="age")
