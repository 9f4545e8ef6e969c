"""A small DingTalk and a small WeCom on loopback, for `demo` and for the tests: one fake, two uses.

Faithful to what is known of the two platforms: ids, limits, error codes and their texts, rates and
faults. Nothing but `main.py` and the tests imports it, and only the demo imports anything of ours:
what the program seals is opened here by a second implementation, written from the documents.
"""
