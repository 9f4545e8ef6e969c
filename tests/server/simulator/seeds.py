"""Repeatable randomness for tests."""

from random import Random


def seeded(seed: int) -> Random:
    return Random(seed)
