"""Calls over HTTP: session, retry, rate limit and tokens. Knows no vendor."""
