"""What all windows share: the session, the workers behind it, what was ordered and kept."""
