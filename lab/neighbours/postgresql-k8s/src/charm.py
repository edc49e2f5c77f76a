#!/usr/bin/env python3
"""postgresql-k8s in miniature: one reconcile for every event. The leader speaks to clients, whoever is the primary."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets

import ops
from ops import pebble

import kubernetes
import relations
import statements
from authority import Certificates, issue
from cluster import NONE, PRIMARY, STANDBY, Cluster
from server import CHECK_FAILS, PORT, Server, Settings

_CURRENT, _LEGACY, _PEERS = 'database', 'db', 'database-peers'


class PostgresqlCharm(ops.CharmBase):
    """A primary, its standbys and its clients."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('postgresql')
        self._server = Server(self._container)
        self._trusted = True
        self._patience = 2 * CHECK_FAILS
        peers = self.model.get_relation(_PEERS)
        self._cluster = Cluster(self, peers) if peers else None
        events = [
            self.on.config_changed,
            self.on.postgresql_pebble_ready,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
        ]
        for name in (_CURRENT, _LEGACY, _PEERS):
            events += [self.on[name].relation_changed, self.on[name].relation_departed, self.on[name].relation_broken]
        for event in events:
            framework.observe(event, self._reconcile)
        framework.observe(self.on.stop, self._on_stop)
        framework.observe(self.on.secret_remove, self._forget_revision)
        framework.observe(self.on.get_primary_action, self._on_get_primary)
        framework.observe(self.on.promote_to_primary_action, self._on_promote)
        framework.observe(self.on.lab_rotate_passwords_action, self._on_rotate)
        framework.observe(self.on.lab_renew_certificate_action, self._on_renew)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if not (self._cluster and self._container.can_connect()):
            return
        if self.unit.is_leader():
            self._cluster.lead()
            self._ensure_certificate(self._cluster)
        if not (self._cluster.primary and self._cluster.secret):
            return
        try:
            if self.unit.is_leader():
                for suffix, role in (('primary', PRIMARY), ('replicas', STANDBY)):
                    kubernetes.ensure_service(self.model.name, self.app.name, suffix, role, PORT)
            self._follow(self._cluster)
        except kubernetes.ForbiddenError:
            self._trusted = False
            return
        self.unit.set_ports(PORT)
        if self.unit.is_leader():
            self._serve(self._cluster)

    def _follow(self, cluster: Cluster) -> None:
        """Make this unit's server what the units have agreed on, as far as the others let it."""
        server = self._server
        role, since = self._become(cluster)
        if role != NONE:
            since = server.sql('SELECT pg_postmaster_start_time();')
        if role == PRIMARY:
            server.sql(statements.own_roles(cluster.secret['operator'], cluster.secret['replication']))
        kubernetes.label(self.model.name, self.unit.name.replace('/', '-'), role)
        cluster.say(role, since)

    def _become(self, cluster: Cluster) -> tuple[str, str]:
        server = self._server
        if cluster.primary == self.unit.name:
            if server.empty():
                server.make()
            if server.is_standby():
                server.start(self._settings(cluster, standby=True))
                if cluster.acting:
                    return STANDBY, ''
                server.promote()
            server.start(self._settings(cluster, standby=False))
            return PRIMARY, ''
        if not server.is_standby():
            server.stop()
            if cluster.role(cluster.primary) != PRIMARY:
                return NONE, ''
            server.copy(self._pod(cluster.primary), cluster.secret['replication'])
        server.start(self._settings(cluster, standby=True))
        return STANDBY, ''

    def _settings(self, cluster: Cluster, *, standby: bool) -> Settings:
        secret = cluster.secret
        tls = bool(self.config['lab-tls'])
        return Settings(
            # The default is the real charm's.
            connections=int(self.config.get('experimental_max_connections') or max(4 * (os.cpu_count() or 1), 100)),
            passwords=(secret['operator'], secret['replication']),
            follows=self._pod(cluster.acting or cluster.primary) if standby else '',
            certificate=secret.get('certificate', '') if tls else '',
            key=secret.get('certificate-key', '') if tls else '',
        )

    def _ensure_certificate(self, cluster: Cluster) -> None:
        if self.config['lab-tls'] and 'certificate' not in cluster.secret:
            self._issue(cluster, None, tell=True)

    def _issue(self, cluster: Cluster, by: Certificates | None, *, tell: bool) -> None:
        """A new certificate for all units, which each of them takes up when it hears of it."""
        here = f'{self.model.name}.svc.cluster.local'
        names = [f'{self.app.name}{suffix}.{here}' for suffix in ('', '-primary', '-replicas')]
        made = issue(self._container, self.app.name, [*names, f'*.{self.app.name}-endpoints.{here}'], by)
        content = {
            'authority': made.ca,
            'authority-key': made.ca_key,
            'certificate': made.certificate,
            'certificate-key': made.key,
        }
        cluster.keep(content | ({'told-authority': made.ca} if tell else {}))

    def _serve(self, cluster: Cluster) -> None:
        """Give clients what they ask for, and tell them what has changed; the leader only."""
        if cluster.role(cluster.primary) != PRIMARY:
            return
        try:
            version, *users = self._sql(cluster, statements.state(relations.user(0)[:-1])).splitlines()
        except pebble.ExecError:
            # The primary says so to the others when it is there again.
            return
        version = version.split()[0]
        self.unit.set_workload_version(version)
        place = self._place(cluster, version)
        related = self._related()
        passwords = {self._password_key(r): self._password(cluster, r) for r in related}
        cluster.keep(passwords)
        for relation in related:
            serve = self._serve_legacy if relation.name == _LEGACY else self._serve_current
            # One that is being removed may be gone before its hooks have run.
            with contextlib.suppress(ops.RelationNotFoundError):
                serve(cluster, relation, place)
        for user in set(users) - {relations.user(relation.id) for relation in related}:
            self._sql(cluster, statements.drop_user(user))

    def _sql(self, cluster: Cluster, statement: str) -> str:
        """Ask the primary, wherever it is."""
        host = '' if cluster.primary == self.unit.name else self._pod(cluster.primary)
        return self._server.sql(statement, host, cluster.secret['operator'])

    def _place(self, cluster: Cluster, version: str) -> relations.Place:
        service = f'{self.app.name}-{{}}.{self.model.name}.svc.cluster.local'.format
        host = self._pod(cluster.primary) if self.config['lab-tell-pod'] else service('primary')
        replicas = service('replicas')
        return relations.Place(
            host=host,
            read_host=replicas if cluster.units > 1 else host,
            standbys_host=replicas,
            port=PORT,
            version=version,
            tls=bool(self.config['lab-tls']),
            ca=cluster.secret.get('told-authority', ''),
        )

    def _pod(self, unit: str) -> str:
        """The DNS name of a unit's pod."""
        return f'{unit.replace("/", "-")}.{self.app.name}-endpoints.{self.model.name}.svc.cluster.local'

    def _related(self) -> list[ops.Relation]:
        related = [*self.model.relations[_LEGACY], *self.model.relations[_CURRENT]]
        return [relation for relation in related if relation.active and relation.app]

    @staticmethod
    def _password_key(relation: ops.Relation) -> str:
        return f'password-{relation.id}'

    def _password(self, cluster: Cluster, relation: ops.Relation) -> str:
        return cluster.secret.get(self._password_key(relation)) or secrets.token_urlsafe(24)

    def _ensure_database(self, cluster: Cluster, relation: ops.Relation, name: str) -> None:
        user = relations.user(relation.id)
        login = statements.password(user, self._password(cluster, relation))
        self._sql(cluster, '\n'.join([statements.database(name, user), login]))

    def _serve_legacy(self, cluster: Cluster, relation: ops.Relation, place: relations.Place) -> None:
        """A database for a client of `pgsql`, once it has asked for one; new units of it are let in."""
        units = {unit.name: dict(relation.data[unit]) for unit in relation.units}
        asked = [dict(relation.data[relation.app]), *units.values()]
        database = next((data['database'] for data in asked if data.get('database')), '')
        if not database:
            return
        if relation.data[self.app].get('database') != database:
            self._ensure_database(cluster, relation, database)
        answer = relations.legacy_answer(
            place,
            database=database,
            username=relations.user(relation.id),
            password=self._password(cluster, relation),
            client=relation.app.name,
            units=units,
        )
        for databag in (relation.data[self.app], relation.data[self.unit]):
            if dict(databag) | answer != dict(databag):
                databag.update(answer)

    def _serve_current(self, cluster: Cluster, relation: ops.Relation, place: relations.Place) -> None:
        """A database for a client of `postgresql_client`, once it has asked for one."""
        asked, told = relation.data[relation.app], relation.data[self.app]
        database = asked.get('database', '')
        if not database:
            return
        if told.get('database') != database:
            self._ensure_database(cluster, relation, database)
        username, password = relations.user(relation.id), self._password(cluster, relation)
        content = relations.credentials(place, database=database, username=username, password=password)
        tls = relations.encryption(place)
        answer = relations.current_answer(place, database)
        mark = hashlib.sha256(json.dumps([answer, content, tls]).encode()).hexdigest()
        if cluster.told(relation) == mark:
            return
        if 'username' in relations.requested_secrets(asked):
            answer['secret-user'] = self._secret(relation, told.get('secret-user'), content)
            answer['secret-tls'] = self._secret(relation, told.get('secret-tls'), tls)
        else:
            answer |= {'tls-ca': ''} | content | tls
        told.update(answer)
        cluster.tell(relation, mark)

    def _secret(self, relation: ops.Relation, uri: str | None, content: dict[str, str]) -> str:
        """Have a secret hold something, and a relation's client read it; its URI."""
        if uri:
            secret = self.model.get_secret(id=uri)
            if secret.peek_content() != content:
                secret.set_content(content)
            return uri
        secret = self.app.add_secret(content)
        secret.grant(relation)
        return secret.id or secret.get_info().id

    def _on_stop(self, _: ops.StopEvent) -> None:
        # The pod goes, and would cut off a hook that waits.
        self._patience = 0

    def _forget_revision(self, event: ops.SecretRemoveEvent) -> None:
        event.remove_revision()

    def _on_get_primary(self, event: ops.ActionEvent) -> None:
        self._reconcile(event)
        event.set_results({'primary': self._cluster.primary if self._cluster else ''})

    def _on_promote(self, event: ops.ActionEvent) -> None:
        """Ask that this unit become the primary; as with the real charm, that goes on after the action."""
        if event.params['scope'] != 'unit':
            event.fail('this miniature promotes units only: scope=unit')
        elif not self._cluster or self._cluster.role(self.unit.name) != STANDBY:
            event.fail(f'{self.unit.name} is no standby')
        elif not self._server.follows(within=60):
            event.fail(f'{self.unit.name} does not follow the primary yet: what is not there yet would be lost')
        else:
            self._cluster.replace_primary()
            self._reconcile(event)

    def _on_rotate(self, event: ops.ActionEvent) -> None:
        """Give every client a new password; the old one ends at once, and so do the sessions."""
        if not (cluster := self._led(event)):
            return
        related = self._related()
        cluster.keep({self._password_key(relation): secrets.token_urlsafe(24) for relation in related})
        for relation in related:
            user = relations.user(relation.id)
            login = statements.password(user, self._password(cluster, relation))
            self._sql(cluster, '\n'.join([login, statements.end_sessions(user)]))
        self._reconcile(event)

    def _on_renew(self, event: ops.ActionEvent) -> None:
        """A new certificate, by the same authority or by another one."""
        if not (cluster := self._led(event)):
            return
        secret = cluster.secret
        names = ('authority', 'authority-key', 'certificate', 'certificate-key')
        if 'certificate' not in secret:
            event.fail(f'there is no certificate: juju config {self.app.name} lab-tls=true')
            return
        by = None if event.params['new-authority'] else Certificates(*(secret[name] for name in names))
        self._issue(cluster, by, tell=event.params['tell'])
        self._reconcile(event)

    def _led(self, event: ops.ActionEvent) -> Cluster | None:
        """The agreement, for an action that only the leader can do while there is a primary."""
        if self._cluster and self.unit.is_leader() and self._cluster.role(self._cluster.primary) == PRIMARY:
            return self._cluster
        event.fail(f'only the leader can do that, while there is a primary: juju run {self.app.name}/leader')
        return None

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        role = self._cluster.role(self.unit.name) if self._cluster else ''
        if not self._trusted:
            event.add_status(
                ops.BlockedStatus(f'Insufficient permissions, try: `juju trust {self.app.name} --scope=cluster`')
            )
        # What lasts longer than the check allows ends with pebble-check-recovered, and the status is looked at again;
        # what is shorter would be seen by no event.
        elif (
            role not in (PRIMARY, STANDBY)
            or not self._container.can_connect()
            or not self._server.answers(within=self._patience)
        ):
            event.add_status(ops.WaitingStatus('waiting for PostgreSQL'))
        else:
            event.add_status(ops.ActiveStatus('Primary' if role == PRIMARY else ''))


if __name__ == '__main__':
    ops.main(PostgresqlCharm)
