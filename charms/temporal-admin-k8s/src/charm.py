#!/usr/bin/env python3
"""The admin charm: which events there are and who handles them. Decisions are in plan.py."""

from __future__ import annotations

import functools
import logging
import shlex

import ops
from temporal_charms import databags
from temporal_charms.secret_cache import SecretCache

import facts
import plan
from workload import StepFailed, Workload

_logger = logging.getLogger(__name__)
_ACTION_TIMEOUT = 60.0


class TemporalAdminCharm(ops.CharmBase):
    """Schema and tools of one server."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        container = self.unit.get_container(facts.CONTAINER)
        self.workload = Workload(container)
        self._secrets = SecretCache(container, '/etc/temporal-charm/secrets.json')
        self._failure = ''
        admin = self.on['admin']
        for event in (
            self.on.leader_elected,
            self.on.temporal_admin_pebble_ready,
            self.on.temporal_admin_pebble_custom_notice,
            self.on.update_status,
            self.on.upgrade_charm,
            admin.relation_created,
            admin.relation_changed,
            admin.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on.tctl_action, self._on_tctl)
        framework.observe(self.on.cli_action, self._on_cli)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @functools.cached_property
    def _facts(self) -> facts.Facts:
        return facts.Facts.load(self, self._secrets)

    @functools.cached_property
    def _plan(self) -> plan.Plan:
        return plan.make(self._facts)

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        """Take up the newest passwords; all other events go on with the revision that is tracked."""
        self._secrets.put(event.secret.id or '', event.secret.get_content(refresh=True))
        self._reconcile(event)

    def _reconcile(self, _: ops.EventBase) -> None:
        """Bring the schema to where the server needs it and tell the server what is there now."""
        found = self._facts.found
        try:
            for step in self._plan.steps:
                _logger.info('%s of %s', step.command, step.database.endpoint.name)
                self.workload.run_step(step)
        except StepFailed as error:
            _logger.error('%s', error)
            self._failure = str(error)
        if self._plan.steps:
            found = facts.Found.load(self._facts.server)
        if found.problem and self._facts.image.reachable:
            self.workload.ask_again()
        if self._facts.image.version:
            self.unit.set_workload_version(self._facts.image.version_text)
        relation = facts.relation_of(self.model)
        if relation and self._facts.leader:
            answer = plan.answer(self._facts, found, self._failure)
            databags.publish(relation.data[self.app], answer.dump() if answer else {})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self._failure:
            event.add_status(ops.BlockedStatus(f'{self._failure}; see juju debug-log --include {self.unit.name}'))
        elif self._plan.unmet:
            event.add_status(self._plan.unmet.status(self._facts))
        else:
            event.add_status(ops.ActiveStatus())

    def _on_tctl(self, event: ops.ActionEvent) -> None:
        self._run_tool(event, 'tctl', 'TEMPORAL_CLI_ADDRESS')

    def _on_cli(self, event: ops.ActionEvent) -> None:
        self._run_tool(event, 'temporal', 'TEMPORAL_ADDRESS')

    def _run_tool(self, event: ops.ActionEvent, program: str, variable: str) -> None:
        """Run a tool against the server and give back what it says."""
        server = self._facts.server
        if not self._facts.image.reachable:
            event.fail('the container has not started yet: try again in a moment')
            return
        if server.frontend is None:
            event.fail(
                f'{server.app} has not said yet where it answers: try again when it is active'
                if server.app
                else f'no server: juju integrate {self.app.name}:admin temporal-k8s:admin'
            )
            return
        try:
            arguments = shlex.split(event.params['args'])
        except ValueError as error:
            event.fail(f'args cannot be split as a shell would: {error}')
            return
        try:
            output = self.workload.run(
                [program, *arguments], {variable: server.frontend.address}, timeout=_ACTION_TIMEOUT
            )
        except (FileNotFoundError, TimeoutError) as error:
            event.fail(str(error))
            return
        event.set_results({key: text for key, text in (('output', output.stdout), ('messages', output.stderr)) if text})
        if output.status != 0:
            lines = (output.stderr or output.stdout).strip().splitlines() or ['no message']
            event.fail(f'{program} ended with status {output.status}: {lines[-1][:200]}')


if __name__ == '__main__':  # pragma: no cover
    ops.main(TemporalAdminCharm)
