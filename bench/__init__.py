"""Figures of the suite on the lab: `make bench`."""
