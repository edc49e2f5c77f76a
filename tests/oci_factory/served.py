"""What the tests have the stand-ins serve."""

SEED = 7
TOKEN = 'ghp_ThisMustNeverBeSeenAnywhere'
WEB = 'https://web.temporal.example/'
"""Temporal's web interface."""
