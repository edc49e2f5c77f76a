"""What the charms of the suite share: relation contracts, one module per interface, and small workload helpers.

The modules know ops, nothing of a particular charm, and nothing of each other beyond the types they speak of.
"""
