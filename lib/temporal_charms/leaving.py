"""Whether Juju is taking this unit away, and what its status says then.

Juju 4 takes a unit that goes and is blocked for one that is stuck: some ten seconds later it takes away the relations,
and the unit itself, from under the hooks that still run, and they fail (juju/juju pull request 21690). And nobody has
to mend what a unit lacks because its relations go. A unit that goes learns so from relation-departed, where it is
itself the unit that departs, before the first relation-broken; that is noted in the container, which goes with it.
"""

from __future__ import annotations

import contextlib

import ops
from ops import pebble

from temporal_charms import workload

STATUS = ops.MaintenanceStatus('is being removed')
"""In place of blocked."""

_NOTE = '/etc/temporal-charm/leaving'


class Leaving(ops.Object):
    """Takes note when this unit goes.

    Args:
        charm: of the unit.
        container: where the note is kept; without it a unit that goes is like any other.
    """

    def __init__(self, charm: ops.CharmBase, container: ops.Container):
        super().__init__(charm, 'leaving')
        self._container = container
        for name in charm.meta.relations:
            self.framework.observe(charm.on[name].relation_departed, self._note)

    def status(self, status: ops.StatusBase) -> ops.StatusBase:
        """What to say in place of a status."""
        return STATUS if isinstance(status, ops.BlockedStatus) and self._is_noted() else status

    def _note(self, event: ops.RelationDepartedEvent) -> None:
        if event.departing_unit and event.departing_unit.name == self.model.unit.name:
            with contextlib.suppress(pebble.ConnectionError):
                workload.push(self._container, [workload.File(_NOTE, self.model.unit.name, owner=0)])

    def _is_noted(self) -> bool:
        with contextlib.suppress(pebble.ConnectionError):
            return workload.read(self._container, _NOTE) is not None
        return False
