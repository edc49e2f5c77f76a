"""The OCI Factory's workflows and activities: finds the images that a new Ubuntu base concerns and has them rebuilt.

Knows Temporal and the OCI Factory's formats, and nothing of where it runs. Importing it does nothing; what it needs of
its surroundings (`settings`) is read when an activity runs.
"""
