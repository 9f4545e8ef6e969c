"""Everything that is shown in words, in the reader's language; pure, no tk."""
