"""The suite in a small model of Juju, for what no single event shows: any order of events, a death at any command.

`rooms` loads the charms, `runner` runs one event on one of them through ops.testing; `model`, `juju` with `due`, and
`container` with `pebble` are the world that carries its result to the next event; `neighbours` and `outside` are what
surrounds the charms there; `suite` is the deployment, `happenings` and `stories` what becomes of it, `invariants` and
`straight` what must hold.
"""
