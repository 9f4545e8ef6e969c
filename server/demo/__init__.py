"""A company with its DingTalk and WeCom on loopback, shown at work; needs no account."""
