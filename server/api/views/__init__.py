"""Stored values turned into the values that are shown."""
