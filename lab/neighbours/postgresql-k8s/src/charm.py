#!/usr/bin/env python3
"""postgresql-k8s in miniature: one reconcile for every event, on the one unit that there is."""

from __future__ import annotations

import secrets

import ops

import relations
from server import PORT, Server

_CURRENT, _LEGACY = 'database', 'db'


class PostgresqlCharm(ops.CharmBase):
    """One PostgreSQL server and its clients."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('postgresql')
        self._server = Server(self._container)
        events = [self.on.config_changed, self.on.postgresql_pebble_ready, self.on.upgrade_charm, self.on.update_status]
        for name in (_CURRENT, _LEGACY):
            events += [self.on[name].relation_changed, self.on[name].relation_departed, self.on[name].relation_broken]
        for event in events:
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, event: ops.EventBase) -> None:
        if not (self._container.can_connect() and self.unit.is_leader()):
            return
        self._server.start()
        self.unit.set_ports(PORT)
        version = self._server.version()
        self.unit.set_workload_version(version)
        related = [*self._relations(_LEGACY), *self._relations(_CURRENT)]
        for relation in related:
            if relation.name == _LEGACY:
                self._serve_legacy(relation, version)
            else:
                self._serve_current(relation, version)
        if isinstance(event, ops.RelationBrokenEvent):
            self._server.drop_users(relations.user(0)[:-1], but={relations.user(relation.id) for relation in related})

    def _relations(self, name: str) -> list[ops.Relation]:
        return [relation for relation in self.model.relations[name] if relation.active and relation.app]

    @property
    def _host(self) -> str:
        return f'{self.app.name}.{self.model.name}.svc.cluster.local'

    def _serve_legacy(self, relation: ops.Relation, version: str) -> None:
        """A database for a client of `pgsql`, once it has asked for one; new units of it are let in."""
        units = {unit.name: dict(relation.data[unit]) for unit in relation.units}
        asked = [dict(relation.data[relation.app]), *units.values()]
        database = next((data['database'] for data in asked if data.get('database')), '')
        if not database:
            return
        told = relation.data[self.unit]
        username = relations.user(relation.id)
        password = told.get('password') or secrets.token_urlsafe(24)
        if told.get('database') != database:
            self._server.ensure_database(database, username, password)
        answer = relations.legacy_answer(
            host=self._host,
            port=PORT,
            database=database,
            username=username,
            password=password,
            client=relation.app.name,
            units=units,
            version=version,
        )
        for databag in (relation.data[self.app], told):
            if dict(databag) | answer != dict(databag):
                databag.update(answer)

    def _serve_current(self, relation: ops.Relation, version: str) -> None:
        """A database for a client of `postgresql_client`, once it has asked for one."""
        asked, told = relation.data[relation.app], relation.data[self.app]
        database = asked.get('database', '')
        if not database or told.get('database') == database:
            return
        username, password = relations.user(relation.id), secrets.token_urlsafe(24)
        self._server.ensure_database(database, username, password)
        place = {'host': self._host, 'port': PORT, 'database': database}
        content = relations.credentials(**place, username=username, password=password)
        answer = relations.current_answer(**place, version=version)
        if 'username' in relations.requested_secrets(asked):
            answer['secret-user'] = self._secret(relation, content)
            answer['secret-tls'] = self._secret(relation, {'tls': 'False'})
        else:
            answer |= content | {'tls': 'False'}
        told.update(answer)

    def _secret(self, relation: ops.Relation, content: dict[str, str]) -> str:
        secret = self.app.add_secret(content)
        secret.grant(relation)
        return secret.id or secret.get_info().id

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if not self.unit.is_leader():
            event.add_status(ops.BlockedStatus('this miniature runs one unit: juju scale-application it to 1'))
        elif not self._container.can_connect() or not self._server.answers():
            event.add_status(ops.WaitingStatus('waiting for PostgreSQL'))
        else:
            event.add_status(ops.ActiveStatus('Primary'))


if __name__ == '__main__':
    ops.main(PostgresqlCharm)
