"""The user's settings and secrets: their names, rules and defaults, and their files.

Knows nothing of what the settings are for: no HTTP, no journal, no clock.
"""
