"""What people see: the command line's output, the tray and the windows, in their language.

Asks `server.api.app` and shows what it returns. Knows no SQL, HTTP or cryptography.
"""
