"""The way in from DingTalk: request, open, append, seal. Never calls DingTalk or WeCom itself."""
