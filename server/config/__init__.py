"""The user's wishes and secrets: their names, rules and defaults, and the files that keep them.

Knows nothing of what the settings are for: no HTTP, no journal, no clock.
"""
