"""The durable memory, one SQLite file: events, credentials' use, rejected calls, the sync's ledger.

Knows SQL and nothing of what an event means. Connections are opened here only: others have jobs
run, by the service's `journal`, or beside it by `opening.peek` and `requests.write_beside`.
"""
