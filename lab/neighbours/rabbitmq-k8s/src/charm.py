#!/usr/bin/env python3
"""rabbitmq-k8s in miniature: one reconcile for every event, and one unit.

The relation is charms.rabbitmq_k8s.v0.rabbitmq's: a client's application says `username` and `vhost`, and is told
`hostname` and `password` in the application's databag. The user goes with the relation, the virtual host stays. Source:
charm.py of rabbitmq-k8s, `create_amqp_credentials`.
"""

from __future__ import annotations

import contextlib
import secrets

import ops

from broker import PORT, Broker

_CLIENTS = 'amqp'


class RabbitmqCharm(ops.CharmBase):
    """A broker and its clients."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('rabbitmq')
        self._broker = Broker(self._container)
        clients = self.on[_CLIENTS]
        for event in (
            self.on.config_changed,
            self.on.rabbitmq_pebble_ready,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            clients.relation_changed,
            clients.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if self._problem() or not self.unit.is_leader() or not self._container.can_connect():
            return
        self._broker.start()
        self.unit.set_ports(PORT)
        related = self._related()
        users = self._broker.users()
        for user in users - {relation.data[relation.app]['username'] for relation in related}:
            # The one that every RabbitMQ is born with is among them.
            self._broker.keep_out(user)
        for relation in related:
            self._serve(relation, users, self._passwords(related))

    def _problem(self) -> str:
        """Why this unit runs no broker; a sentence for the status."""
        if not self.unit.name.endswith('/0'):
            return f'this miniature has one unit: juju scale-application {self.app.name} 1'
        return ''

    def _related(self) -> list[ops.Relation]:
        """Those who have asked for something."""
        active = (r for r in self.model.relations[_CLIENTS] if r.active and r.app)
        return [r for r in active if r.data[r.app].get('username') and r.data[r.app].get('vhost')]

    def _passwords(self, related: list[ops.Relation]) -> dict[str, str]:
        """User to password; two clients may have asked for one user."""
        told = [(r.data[r.app]['username'], r.data[self.app].get('password')) for r in related]
        return {user: password for user, password in told if password}

    def _serve(self, relation: ops.Relation, users: set[str], passwords: dict[str, str]) -> None:
        asked, told = relation.data[relation.app], relation.data[self.app]
        user = asked['username']
        if told.get('password') and user in users:
            # Another user or virtual host needs a new relation, as with the real charm.
            return
        password = passwords.get(user) or secrets.token_urlsafe(12)
        if user not in users:
            self._broker.let_in(user, password)
            users.add(user)
        self._broker.allow(user, asked['vhost'])
        # One that is being removed may be gone before its hooks have run.
        with contextlib.suppress(ops.RelationNotFoundError):
            hostname = f'{self.app.name}-endpoints.{self.model.name}.svc.cluster.local'
            told.update({'hostname': hostname, 'password': password})

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if problem := self._problem():
            event.add_status(ops.BlockedStatus(problem))
        elif not self._container.can_connect() or not self._broker.answers(within=0):
            event.add_status(ops.WaitingStatus('waiting for RabbitMQ'))
        else:
            event.add_status(ops.ActiveStatus())


if __name__ == '__main__':
    ops.main(RabbitmqCharm)
