#!/usr/bin/env python3
"""The worker charm: which events there are and who handles them. Decisions are in plan.py."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time

import ops
from temporal_charms import databags
from temporal_charms.conditions import first_unmet
from temporal_charms.leaving import Leaving
from temporal_charms.secret_cache import SecretCache, identifier

import conditions
import facts
import integration_report
import integrations
import plan
import standing
import variables
from access import Access
from integration_options import ENDPOINTS, EXTERNAL
from workload import Workload


class TemporalWorkerCharm(ops.CharmBase):
    """Workers for one queue."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container(facts.CONTAINER)
        self.workload = Workload(self._container)
        self._secrets = SecretCache(self._container, '/etc/temporal-charm/secrets.json')
        self._leaving = Leaving(self, self._container)
        self._anew = False
        container, server, info, peer = (
            self.on[name] for name in (facts.CONTAINER, 'temporal-host-info', 'temporal-worker-info', 'peer')
        )
        for event in (
            self.on.config_changed,
            self.on.leader_elected,
            self.on.update_status,
            self.on.upgrade_charm,
            container.pebble_ready,
            container.pebble_custom_notice,
            server.relation_created,
            server.relation_changed,
            server.relation_broken,
            info.relation_created,
            peer.relation_changed,
            # A unit that is gone wants no turn any more.
            peer.relation_departed,
            *(
                event
                for name in (*ENDPOINTS, EXTERNAL)
                for event in (
                    self.on[name].relation_created,
                    self.on[name].relation_changed,
                    self.on[name].relation_broken,
                )
            ),
            # Its units say where they are, and a unit that is gone says it no more.
            self.on['amqp'].relation_departed,
        ):
            framework.observe(event, self._reconcile)
        for what in ('show', 'pause', 'resume', 'trigger'):
            framework.observe(self.on[f'{what}-schedule'].action, self._on_schedule_action)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on['show-integrations'].action, self._on_show_integrations)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @functools.cached_property
    def _facts(self) -> facts.Facts:
        found = facts.Facts.load(self, self._secrets, anew=self._anew)
        if found.asked.units == 1 or not found.code.running:
            return found
        return dataclasses.replace(found, health=self.workload.health())

    @functools.cached_property
    def _plan(self) -> plan.Plan:
        return plan.make(self._facts)

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        """Take up the newest revisions: of this secret in any case, for no other event tells of it.

        Who changes one secret mostly changes others with it, and one restart is enough for all. One that nothing names
        is not kept: an option may name it again.
        """
        self._secrets.refresh(event.secret)
        wanted, _ = variables.wishes(str(self.config['environment-secrets']), self.app.name)
        read = {wish.uri for wish in wanted} | integrations.secret_uris(self.model)
        read |= set(Access.load(self.config, self.app.name).secrets)
        if event.secret.unique_identifier not in {identifier(uri) for uri in read}:
            self._secrets.forget(event.secret.id or '')
        else:
            for uri in {uri for uri in read if identifier(uri) != event.secret.unique_identifier}:
                with contextlib.suppress(ops.ModelError):
                    self._secrets.refresh(self.model.get_secret(id=uri))
        self._reconcile(event)

    def _on_show_integrations(self, event: ops.ActionEvent) -> None:
        known = self._facts
        given = {**known.variables.values, **known.secrets.values}
        ledger = integration_report.Ledger(self._container)
        integration_report.run(event, self.unit.name, known.integrations, given, ledger)

    def _on_schedule_action(self, event: ops.ActionEvent) -> None:
        import schedule_actions

        schedule_actions.run(event, self._facts, self._container, plan.python(self._facts))

    def _reconcile(self, event: ops.EventBase) -> None:
        """Make everything look like the plan, whatever happened."""
        # Juju tells neither that a secret was revoked nor that it was removed.
        self._anew = isinstance(event, ops.ConfigChangedEvent | ops.UpdateStatusEvent)
        prepares = bool(self._plan.prepare)
        if prepares:
            self._prepare()
        self._take_turns()
        self.workload.apply(self._plan)
        if self._plan.layer and not self._plan.attended and (prepares or self._plan.replaces):
            self.workload.forget_code(self._facts.workflows.key)
        if self._facts.code.reachable:
            integration_report.Ledger(self._container).note(self._facts.integrations.found)
        if self._facts.leader:
            for name, content in (
                ('temporal-host-info', self._plan.request),
                ('temporal-worker-info', self._plan.databag),
                *self._plan.requests.items(),
            ):
                for relation in self.model.relations[name]:
                    if relation.active:
                        databags.publish(relation.data[self.app], content)

    def _take_turns(self) -> None:
        """Ask for this unit's turn to restart; grant them if this unit leads the application."""
        relation, turn = self.model.get_relation('peer'), self._plan.turn
        if relation is None:
            return
        if turn.request != self._facts.asked.requests.get(self.unit.name, ''):
            databags.write(relation.data[self.unit], {'restart': turn.request})
        if self._facts.leader:
            databags.publish(relation.data[self.app], {'turn': turn.granted})

    def _prepare(self) -> None:
        """Install the code and look into it, then decide once more with what came of it."""
        archive = self._facts.workflows.path
        assert archive is not None
        self.unit.status = ops.MaintenanceStatus('installing the workflow code')
        begun = time.monotonic()
        self.workload.prepare(self._plan, archive, self._facts.workflows.key)
        self.workload.put_off(self._facts.code.prepared, time.monotonic() - begun)
        self._facts = dataclasses.replace(self._facts, code=facts.Code.load(self._container))
        self._plan = plan.make(self._facts)

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if self._plan.unmet:
            event.add_status(self._leaving.status(self._plan.unmet.status(self._facts)))
            return
        health, told = self.workload.health(), self._plan.standing
        if told:
            health = standing.compare(health, told, kept=self._facts.code.keeps and told.leader)
        failed = first_unmet(conditions.OUTCOMES, health)
        status = failed.status(health) if failed else conditions.active(health, self._plan.turn)
        event.add_status(self._leaving.status(status))


if __name__ == '__main__':  # pragma: no cover
    ops.main(TemporalWorkerCharm)
