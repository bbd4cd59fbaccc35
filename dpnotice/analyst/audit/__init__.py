"""Somebody else's published figures -> what does not add up."""
