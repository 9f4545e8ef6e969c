"""DingTalk's calls, events and error codes. Decides no change and knows nothing of WeCom."""
