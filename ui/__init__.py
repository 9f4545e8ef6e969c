"""What people see: texts in their language, the command line's output, later the windows.

Talks to `server.app` and shows what it returns.
"""
