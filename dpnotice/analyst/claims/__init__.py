"""Reach -> claims -> payments; is the fund enough?"""
