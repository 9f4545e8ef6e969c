"""Compares DingTalk's own record of the subscription with ours.

DingTalk keeps such a record only of a subscription that a program registered. For one made in the
console there is none, and only the key doctor and the last genuine call tell whether values match.
"""
