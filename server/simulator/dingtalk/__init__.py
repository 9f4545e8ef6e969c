"""A small DingTalk on loopback: contacts, callbacks and their registry."""
