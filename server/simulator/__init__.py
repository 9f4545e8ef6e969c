"""A small DingTalk on loopback, faithful to what is known of the real one.

Used by `demo` and by the tests. Nothing else imports it, and it imports none of `crypto`: what the
program seals is opened here by a second implementation, written from the platform's documents.
"""
