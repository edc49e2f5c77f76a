"""The suite and a real workflow, typed as an operator would type it: `make demo`."""
