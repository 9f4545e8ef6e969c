"""The durable memory in one SQLite file: events, credentials' use, rejected calls, the ledger.

Knows SQL, but not what an event means. Only this room opens connections. Others submit jobs to the
service's `Journal`; beside the service, to `opening.open_read_only` and `requests.write_beside`.
"""
