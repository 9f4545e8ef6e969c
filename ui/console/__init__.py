"""The command line's output: for people in their language, for programs as JSON."""
