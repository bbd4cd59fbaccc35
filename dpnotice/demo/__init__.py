"""The main job on real purchases, with the truth beside every estimate."""

from dpnotice.demo.run import run

__all__ = ["run"]
