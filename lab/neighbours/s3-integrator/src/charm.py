#!/usr/bin/env python3
"""s3-integrator in miniature: one reconcile for every event, and one unit, in which the store runs, too."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import ops

import relations
from store import PORT, Settings, Store, ensure_bucket

_CLIENTS = 's3-credentials'


class CredentialsError(Exception):
    """The operator's credentials cannot be had; a sentence for the status."""


class S3IntegratorCharm(ops.CharmBase):
    """A store and its clients."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self._container = self.unit.get_container('minio')
        self._store = Store(self._container)
        clients = self.on[_CLIENTS]
        for event in (
            self.on.config_changed,
            self.on.minio_pebble_ready,
            self.on.upgrade_charm,
            self.on.update_status,
            self.on.leader_elected,
            self.on.secret_changed,
            clients.relation_created,
            clients.relation_changed,
            clients.relation_broken,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_remove, self._forget_revision)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    def _reconcile(self, _: ops.EventBase) -> None:
        if self.unit.is_leader() and not self._former:
            for relation in self._active():
                # What the present version says before anything is asked; the former one says nothing then.
                relation.data[self.app]['version'] = relations.VERSION
        if self._problem() or not self.unit.is_leader() or not self._container.can_connect():
            return
        keys = self._keys()
        settings = Settings(keys['access-key'], keys['secret-key'], str(self.config['region']))
        self._store.start(settings)
        self.unit.set_ports(PORT)
        for relation in self._related():
            name = relations.bucket(relation.data[relation.app], self.config, former=self._former)
            if name and not relations.is_bucket(name):
                continue
            if name and not self._former:
                ensure_bucket(settings, name)
            # One that is being removed may be gone before its hooks have run.
            with contextlib.suppress(ops.RelationNotFoundError):
                self._tell(relation, name, keys)

    @property
    def _former(self) -> bool:
        return bool(self.config['lab-former'])

    def _active(self) -> list[ops.Relation]:
        return [relation for relation in self.model.relations[_CLIENTS] if relation.active and relation.app]

    def _related(self) -> list[ops.Relation]:
        """Those who have asked for something."""
        return [relation for relation in self._active() if relations.asks(relation.data[relation.app])]

    def _keys(self) -> Mapping[str, str]:
        """The operator's credentials.

        Raises:
            CredentialsError: when they cannot be had.
        """
        uri = str(self.config.get('credentials') or '')
        if not uri:
            raise CredentialsError("Missing config(s): 'credentials'")
        try:
            content = self.model.get_secret(id=uri).get_content(refresh=True)
        except ops.SecretNotFoundError:
            raise CredentialsError(f"The secret '{uri}' does not exist") from None
        except ops.ModelError:
            raise CredentialsError(f"The secret '{uri}' has not been granted to the charm") from None
        if missing := [key for key in relations.KEYS if not content.get(key)]:
            raise CredentialsError(f"The secret '{uri}' is missing mandatory field(s): {', '.join(missing)}")
        return content

    def _problem(self) -> str:
        """Why this unit gives nothing to anybody; a sentence for the status."""
        if not self.unit.name.endswith('/0'):
            return f'this miniature has one unit: juju scale-application {self.app.name} 1'
        try:
            self._keys()
        except CredentialsError as error:
            return str(error)
        return ''

    def _tell(self, relation: ops.Relation, name: str, keys: Mapping[str, str]) -> None:
        asked, told = relation.data[relation.app], relation.data[self.app]
        answer = relations.answer(
            asked,
            self.config,
            name=name,
            endpoint=f'http://{self.app.name}.{self.model.name}.svc.cluster.local:{PORT}',
            former=self._former,
        )
        content = {key: keys[key] for key in relations.KEYS}
        if relations.wants_secrets(asked) and not self._former:
            answer['secret-extra'] = self._secret(relation, told.get('secret-extra'), content)
        else:
            answer |= content
        for key in [key for key in told if key not in answer]:
            del told[key]
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
        asked = (relation.data[relation.app] for relation in self._related())
        names = {relations.bucket(each, self.config, former=self._former) for each in asked} - {''}
        wrong = sorted(name for name in names if not relations.is_bucket(name))
        if problem := self._problem():
            event.add_status(ops.BlockedStatus(problem))
        elif not self._container.can_connect() or not self._store.answers(within=0):
            event.add_status(ops.WaitingStatus('waiting for MinIO'))
        elif wrong:
            event.add_status(ops.BlockedStatus(f'Invalid name for bucket(s): {", ".join(wrong)}'))
        else:
            event.add_status(ops.ActiveStatus())


if __name__ == '__main__':
    ops.main(S3IntegratorCharm)
