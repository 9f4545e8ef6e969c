"""The inbound HTTP side: listener, routes, and the handler that verifies callbacks.

Knows the journal only as something to append to. Never calls DingTalk or WeCom, and never syncs.
"""
