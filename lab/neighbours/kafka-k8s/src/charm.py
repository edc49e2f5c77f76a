#!/usr/bin/env python3
"""kafka-k8s in miniature: one reconcile for every event, and one unit."""

from __future__ import annotations

import contextlib
import secrets

import ops

import relations
from broker import Broker, Settings

_CLIENTS = 'kafka-client'
_OPERATOR = 'operator'


class KafkaCharm(ops.CharmBase):
    """A broker and its clients."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('kafka')
        self._broker = Broker(self._container)
        clients = self.on[_CLIENTS]
        for event in (
            self.on.config_changed,
            self.on.kafka_pebble_ready,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            clients.relation_changed,
            clients.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_remove, self._forget_revision)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if self._problem() or not self.unit.is_leader() or not self._container.can_connect():
            return
        related = self._related()
        settings = Settings(
            host=f'{self.unit.name.replace("/", "-")}.{self.app.name}-endpoints',
            tls=bool(self.config['lab-tls']),
            password=self._operator_password(),
            admins=tuple(relations.user(r.id) for r in related if relations.is_admin(r.data[r.app])),
        )
        certificate = self._broker.start(settings)
        self.unit.set_ports(settings.port)
        place = relations.Place(f'{settings.host}:{settings.port}', certificate)
        self._serve(related, place, settings.password)

    def _problem(self) -> str:
        """Why this unit runs no broker; a sentence for the status."""
        if not self.unit.name.endswith('/0'):
            return f'this miniature has one unit: juju scale-application {self.app.name} 1'
        if set(str(self.config['roles']).split(',')) != {'broker', 'controller'}:
            return 'missing required peer-cluster relation'
        return ''

    def _related(self) -> list[ops.Relation]:
        """Those who have asked for something."""
        active = (r for r in self.model.relations[_CLIENTS] if r.active and r.app)
        return [relation for relation in active if relation.data[relation.app].get('topic')]

    def _operator_password(self) -> str:
        try:
            return self.model.get_secret(label=_OPERATOR).peek_content()['password']
        except ops.SecretNotFoundError:
            password = secrets.token_urlsafe(24)
            self.app.add_secret({'password': password}, label=_OPERATOR)
            return password

    def _serve(self, related: list[ops.Relation], place: relations.Place, operator: str) -> None:
        """Give clients what they ask for, and tell them what has changed."""
        # Of what most hooks do not need: librdkafka.
        from accounts import Accounts

        accounts = Accounts(operator)
        users = accounts.users()
        for relation in related:
            user, asked = relations.user(relation.id), relation.data[relation.app]
            password = self._password(relation)
            if user not in users:
                accounts.let_in(user, password)
            accounts.allow(user, relations.rules(asked, user))
            # One that is being removed may be gone before its hooks have run.
            with contextlib.suppress(ops.RelationNotFoundError):
                self._tell(relation, place, relations.credentials(user, password))
        for user in users - {relations.user(relation.id) for relation in related}:
            accounts.keep_out(user)

    def _password(self, relation: ops.Relation) -> str:
        """What this client was told, if it was."""
        told = relation.data[self.app]
        if uri := told.get('secret-user'):
            return self.model.get_secret(id=uri).peek_content()['password']
        return told.get('password') or secrets.token_urlsafe(24)

    def _tell(self, relation: ops.Relation, place: relations.Place, credentials: dict[str, str]) -> None:
        asked, told = relation.data[relation.app], relation.data[self.app]
        answer = relations.answer(place, asked, credentials['username'])
        tls = relations.encryption(place)
        if relations.wants_secrets(asked):
            answer['secret-user'] = self._secret(relation, told.get('secret-user'), credentials)
            answer['secret-tls'] = self._secret(relation, told.get('secret-tls'), tls)
        else:
            answer |= {'tls-ca': ''} | credentials | tls
        told.update(answer)

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

    def _forget_revision(self, event: ops.SecretRemoveEvent) -> None:
        event.remove_revision()

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        if problem := self._problem():
            event.add_status(ops.BlockedStatus(problem))
        elif not self._container.can_connect() or not self._broker.answers(within=0):
            event.add_status(ops.WaitingStatus('waiting for Kafka'))
        else:
            event.add_status(ops.ActiveStatus())


if __name__ == '__main__':
    ops.main(KafkaCharm)
