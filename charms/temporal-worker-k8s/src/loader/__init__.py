"""What the charm puts into the worker's container: installs workflow code, looks into it, runs it.

Runs on the image's Python and Temporal SDK, and knows neither Juju nor ops.
"""
