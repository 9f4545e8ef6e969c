"""The running process: starts its parts in order, looks after them, stops them in reverse.

Knows nothing of what an event means.
"""
