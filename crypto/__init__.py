"""DingTalk's callback envelope: signature, AES framing, credentials, diagnosis of a mismatch.

Pure: time and randomness come in as arguments. Knows no JSON, HTTP, files, logging or clocks.
"""
