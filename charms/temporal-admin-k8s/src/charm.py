#!/usr/bin/env python3
"""The admin charm: which events there are and who handles them. Decisions are in plan.py."""

from __future__ import annotations

import dataclasses
import functools
import logging

import ops
from temporal_charms import admin, databags
from temporal_charms.conditions import first_unmet
from temporal_charms.leaving import Leaving
from temporal_charms.secret_cache import SecretCache

import conditions
import facts
import plan
from workload import MigrationFailed, Workload

_logger = logging.getLogger(__name__)


class TemporalAdminCharm(ops.CharmBase):
    """Schema and tools of one server."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container(facts.CONTAINER)
        self.workload = Workload(self._container)
        self._secrets = SecretCache(self._container, '/etc/temporal-charm/secrets.json')
        self._leaving = Leaving(self, self._container)
        # Why this event's migration failed; None where it has tried none.
        self._failure: str | None = None
        relation = self.on['admin']
        for event in (
            self.on.leader_elected,
            self.on.temporal_admin_pebble_ready,
            self.on.temporal_admin_pebble_custom_notice,
            self.on.update_status,
            self.on.upgrade_charm,
            relation.relation_created,
            relation.relation_changed,
            relation.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on.tctl_action, self._on_tctl)
        framework.observe(self.on.cli_action, self._on_cli)
        framework.observe(self.on.preflight_action, self._on_preflight)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @functools.cached_property
    def _facts(self) -> facts.Facts:
        return facts.Facts.load(self, self._secrets)

    @functools.cached_property
    def _plan(self) -> plan.Plan:
        return plan.make(self._facts)

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        """Take up the newest passwords; all other events go on with the revision that is tracked."""
        self._secrets.refresh(event.secret)
        self._reconcile(event)

    def _reconcile(self, _: ops.EventBase) -> None:
        """Bring the schema to where the server needs it, tell the server what is there now, and go on watching."""
        self.workload.prepare(self._plan)
        if self._plan.steps:
            self._migrate()
        if self._plan.watches:
            self.workload.watch(plan.known(self._facts, self._plan, self._failure or ''))
        if self._facts.image.version:
            self.unit.set_workload_version(self._facts.image.version_text)
        relation = facts.relation_of(self.model)
        if relation and self._facts.leader:
            answer = plan.answer(self._facts, self._plan.unmet, self._failure or '')
            databags.publish(relation.data[self.app], answer.dump() if answer else {})

    def _migrate(self) -> None:
        """Migrate, and look anew at what there is then."""
        before, self._failure = self._facts, ''
        self.unit.status = status = conditions.migrating(self._plan.steps)
        _logger.info('%s', status.message)
        self.workload.write([plan.known_before(before, self._plan.steps)])
        try:
            self.workload.migrate(self._plan.steps)
        except MigrationFailed as error:
            _logger.error('%s\n%s', error, error.detail)
            self._failure = str(error)
        # A migration may take an hour, in which the container or the leadership may go.
        leader = self.unit.is_leader()
        image = before.image if self._container.can_connect() else facts.Image()
        found = facts.Found.load(before.server) if leader else facts.Found()
        self._facts = dataclasses.replace(before, leader=leader, image=image, found=found)
        self._plan = plan.make(self._facts)

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        failure, told = self._failure, self._facts.told
        if failure is None and told and told.status == admin.FAILED and self._plan.steps:
            # This event has not tried: what the last attempt led to is what the server was told.
            failure = told.reason
        outcome = conditions.Outcome(self.unit.name, failure or '', self._plan.steps)
        failed = first_unmet(conditions.OUTCOMES, outcome)
        if self._plan.unmet:
            event.add_status(self._leaving.status(self._plan.unmet.status(self._facts)))
        elif failed:
            event.add_status(self._leaving.status(failed.status(outcome)))
        else:
            event.add_status(ops.ActiveStatus())

    def _on_tctl(self, event: ops.ActionEvent) -> None:
        self._run_tool(event, 'tctl')

    def _on_cli(self, event: ops.ActionEvent) -> None:
        self._run_tool(event, 'temporal')

    def _run_tool(self, event: ops.ActionEvent, program: str) -> None:
        # Imported here, since hooks run no tools.
        import tools

        tools.run(event, program, self._facts, self.workload)

    def _on_preflight(self, event: ops.ActionEvent) -> None:
        import preflight

        preflight.run(event, self._facts)


if __name__ == '__main__':  # pragma: no cover
    ops.main(TemporalAdminCharm)
