"""The acquisition channels that the company knows by name."""

KNOWN_CHANNELS = ("Google", "Facebook", "Instagram", "Organic", "Referral", "Other")
"""Every channel that is spelled out in reports; any other name is kept as it is, with a warning."""

UNATTRIBUTED = "Unattributed"
"""Stands for the channel in the marts where none is known."""
