"""``python -m lab``."""

from lab import cli

cli.main()
