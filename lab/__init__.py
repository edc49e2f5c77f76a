"""One machine with real Juju on real Kubernetes: brought up, filled with images, taken down.

Scaffolding, and usable alone: nothing here knows what a Temporal charm does.
"""
