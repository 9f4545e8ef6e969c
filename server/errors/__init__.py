"""The program's errors and the messages they carry. Knows nothing of the rest of the server."""
