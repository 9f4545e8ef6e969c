"""DingTalk's calls, what its events mean, and its error codes. Decides no change."""
