"""WeCom's calls and its error codes. Decides no change."""
