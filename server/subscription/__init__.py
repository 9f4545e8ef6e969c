"""The subscription as DingTalk itself has it on record, kept in step with ours.

DingTalk keeps such a record only of a subscription that a program registered; of one made in the
console it tells nothing, and then the key doctor and the last contact have to do.
"""
