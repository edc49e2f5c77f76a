#!/usr/bin/env python3
"""The Temporal server's charm: which events there are and who handles them. Decisions are in plan.py."""

from __future__ import annotations

import contextlib
import dataclasses
import functools

import ops
from temporal_charms import databags, postgresql_client
from temporal_charms.conditions import first_unmet
from temporal_charms.leaving import Leaving
from temporal_charms.secret_cache import SecretCache

import conditions
import databases
import facts
import namespaces
import plan
import probe
from workload import Workload

_CREDENTIALS = 'admin-credentials'
_DATABASES = (*databases.LEGACY, *databases.CURRENT)
_RELATIONS = (
    *_DATABASES, 'admin', 'cluster', 'join-cluster', 'ingress', 'nginx-route', 'temporal-host-info', 'peer',
)  # fmt: skip


class TemporalCharm(ops.CharmBase):
    """The server."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        container = self.unit.get_container(facts.CONTAINER)
        self.workload = Workload(container)
        self._secrets = SecretCache(container, '/etc/temporal-charm/secrets.json')
        self._leaving = Leaving(self, container)
        self._starts = True
        self._handed_over = False
        self._namespaces = namespaces.Keeper(self.model, lambda: self._facts)
        events = [
            self.on.config_changed,
            self.on.update_status,
            self.on.upgrade_charm,
            self.on[facts.CONTAINER].pebble_ready,
            self.on[facts.CONTAINER].pebble_custom_notice,
            self.on[facts.CONTAINER].pebble_check_failed,
            self.on[facts.CONTAINER].pebble_check_recovered,
        ]
        for name in _RELATIONS:
            relation = self.on[name]
            events += [relation.relation_created, relation.relation_changed, relation.relation_broken]
        # A unit that is gone wants no turn any more, and needs no connections.
        events.append(self.on['peer'].relation_departed)
        for event in events:
            framework.observe(event, self._reconcile)
        framework.observe(self.on.leader_elected, self._on_leader_elected)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on.secret_remove, self._forget_revision)
        for name in self.meta.actions:
            framework.observe(self.on[name].action, self._on_action)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @functools.cached_property
    def _facts(self) -> facts.Facts:
        found = facts.Facts.load(self, self._secrets)
        problem = self.workload.judge_dynamic_config(found.options) if found.options.dynamic_config else ''
        return dataclasses.replace(found, dynamic_config_problem=problem) if problem else found

    @functools.cached_property
    def _plan(self) -> plan.Plan:
        return plan.make(self._facts)

    def _on_action(self, event: ops.ActionEvent) -> None:
        import actions

        actions.run(event, self._facts, self._plan, self.workload)

    def _on_secret_changed(self, event: ops.SecretChangedEvent) -> None:
        """Take up the newest revisions; all other events go on with those that are tracked.

        What changes the secrets of one database mostly changes those of the other, and one restart is enough for both.
        """
        self._secrets.refresh(event.secret)
        for uri in databases.secret_uris(self.model):
            with contextlib.suppress(ops.ModelError):
                self._secrets.refresh(self.model.get_secret(id=uri))
        self._reconcile(event)

    def _on_leader_elected(self, event: ops.LeaderElectedEvent) -> None:
        """Look anew at the secret that another leader may have changed."""
        self._secrets.forget(_CREDENTIALS)
        self._reconcile(event)

    def _reconcile(self, _: ops.EventBase) -> None:
        """Make everything look like the plan, whatever happened."""
        self._ask_for_databases()
        self._publish()
        self._take_turns()
        self._starts = self.workload.apply(self._plan)
        if self._namespaces.reconcile():
            self.workload.wake()
        if self._plan.version:
            self.unit.set_workload_version(self._plan.version)
        if self._plan.ports is not None:
            self.unit.set_ports(*self._plan.ports)

    def _ask_for_databases(self) -> None:
        """Ask on every database relation that there is; whether they make a pair is for the conditions to say."""
        # What is provided has been asked for; units that come later repeat it all the same.
        ask = self._facts.here.leader and not self._facts.databases.pair
        for endpoint in _DATABASES:
            relation = databases.relation_of(self.model, endpoint)
            if relation is None or self._facts.member:
                continue
            name = databases.wanted_database(self.model, endpoint)
            if endpoint in databases.LEGACY:
                from temporal_charms import pgsql

                pgsql.request(relation, self.unit, name, leader=ask)
            elif ask:
                databags.publish(relation.data[self.app], postgresql_client.request(name))

    def _publish(self) -> None:
        """Tell the related applications what the plan says; as the application only if this unit leads it."""
        for endpoint, content in self._plan.unit_databags.items():
            for relation in self._relations(endpoint):
                databags.publish(relation.data[self.unit], content)
        if not self._facts.here.leader:
            return
        for endpoint, content in self._plan.databags.items():
            for relation in self._relations(endpoint):
                databags.publish(relation.data[self.app], content)
        for relation in self._relations('admin'):
            self._tell(relation, plan.admin_request(self._facts, self._share_credentials(relation)))
        for relation in self._relations('cluster'):
            uri = self._share_credentials(relation)
            self._tell(relation, plan.cluster_offer(self._facts, uri, relation.app.name))

    def _tell(self, relation: ops.Relation, content: dict[str, str] | None) -> None:
        if content is not None:
            databags.publish(relation.data[self.app], content)

    def _take_turns(self) -> None:
        """Ask for this unit's turn to restart; grant them if this unit leads the application."""
        for relation in self._relations('peer'):
            if self._plan.request != self._facts.peers.asked.requests.get(self.unit.name, ''):
                databags.write(relation.data[self.unit], {'restart': self._plan.request})
            if self._facts.here.leader:
                databags.publish(relation.data[self.app], self._plan.peers)

    def _relations(self, endpoint: str) -> list[ops.Relation]:
        return [relation for relation in self.model.relations[endpoint] if relation.active]

    def _share_credentials(self, relation: ops.Relation) -> str:
        """Hand the databases' passwords to another application by a secret of this one.

        Returns:
            The secret's URI; empty while there is nothing to hand over.
        """
        content = self._plan.credentials
        if not content:
            return ''
        uri = relation.data[self.app].get('credentials', '')
        # What this hook has set counts once the hook has succeeded: it is not to be remembered before.
        if uri and (self._handed_over or self._secrets.get(_CREDENTIALS, lambda: self._shared(uri)) == content):
            return uri
        self._handed_over = True
        self._secrets.forget(_CREDENTIALS)
        try:
            secret = self.model.get_secret(id=uri) if uri else self.model.get_secret(label=_CREDENTIALS)
            if secret.peek_content() != content:
                secret.set_content(content)
        except ops.SecretNotFoundError:
            uri, secret = '', self.app.add_secret(content, label=_CREDENTIALS)
        if not uri:
            secret.grant(relation)
        return uri or secret.id or secret.get_info().id

    def _shared(self, uri: str) -> dict[str, str]:
        """What the secret for the admin charm holds; nothing if it is gone."""
        try:
            return self.model.get_secret(id=uri).peek_content()
        except ops.SecretNotFoundError:
            return {}

    def _forget_revision(self, event: ops.SecretRemoveEvent) -> None:
        # One that was deposed before a hook that died was run again may not; Juju asks the next leader.
        if self.unit.is_leader():
            event.remove_revision()

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        outcome = conditions.Outcome(self._starts, probe.ask(), self._namespaces.problem)
        failed = first_unmet(conditions.OUTCOMES, outcome)
        if self._plan.unmet:
            event.add_status(self._leaving.status(self._plan.unmet.status(self._facts)))
        elif failed:
            event.add_status(self._leaving.status(failed.status(outcome)))
        elif self._namespaces.settled:
            event.add_status(ops.ActiveStatus(self._plan.remark))


if __name__ == '__main__':  # pragma: no cover
    ops.main(TemporalCharm)
