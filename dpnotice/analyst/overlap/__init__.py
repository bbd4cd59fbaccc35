"""Sketches of several retailers -> how many persons several of them know."""
