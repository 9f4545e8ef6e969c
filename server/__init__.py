"""Everything behind the window: the callback service, its journal, its settings.

The user interface and the command line talk to `server.api.app` and to nothing else in here.
"""
