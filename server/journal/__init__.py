"""The durable memory: events, use of credentials, rejected calls, in one SQLite file.

Knows SQL and nothing of what an event means. Others enter through `server.journal.journal`.
"""
