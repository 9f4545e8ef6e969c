"""The page of the sync, in parts: its state, what would change, conflicts, history."""
