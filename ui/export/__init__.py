"""Lists written to files, for spreadsheets and for programs."""
