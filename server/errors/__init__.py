"""Errors and the messages they carry: title, hint, and what the caller should do next."""
