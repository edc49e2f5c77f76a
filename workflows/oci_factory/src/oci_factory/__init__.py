"""The OCI Factory's workflows and activities: has images rebuilt that a new Ubuntu base concerns, and scans them.

Knows Temporal and the OCI Factory's formats, and nothing of where it runs. Importing it does nothing; what it needs of
its surroundings (`settings`) is read when an activity runs.
"""
