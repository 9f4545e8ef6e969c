"""The only door for the windows and the command line: commands in, frozen values out."""
