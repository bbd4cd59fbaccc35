"""Several vehicles, one person: who is met by none, and how often by all together."""
