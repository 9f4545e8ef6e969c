"""The one place where the program's version stands; the build reads it from here."""

VERSION = "0.1.0"
