"""Turns messages into workflows: each message is acknowledged when its workflow is durably started, and not before.

Knows Temporal and the sources of messages, nothing of what the messages are about, and nothing of where it runs.
Importing it does nothing.
"""
