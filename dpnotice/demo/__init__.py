"""The main job on real purchases, with the truth beside every estimate."""

from dpnotice.demo.steps import run

__all__ = ["run"]
