"""The running process: parts started in order, stopped in reverse, and kept in order."""
