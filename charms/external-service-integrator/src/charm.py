#!/usr/bin/env python3
"""The integrator: which events there are and who handles them. Decisions are in plan.py."""

from __future__ import annotations

import contextlib
import functools

import ops
from temporal_charms import databags
from temporal_charms.conditions import first_unmet

import facts
import plan

_ENDPOINT, _LABEL = 'external-service', 'credentials'


class ExternalServiceIntegratorCharm(ops.CharmBase):
    """One service outside Juju."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        for event in (
            self.on.config_changed,
            self.on.leader_elected,
            self.on.update_status,
            self.on.upgrade_charm,
            self.on[_ENDPOINT].relation_created,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.secret_changed, self._take_up)
        framework.observe(self.on.secret_remove, self._forget_revision)
        framework.observe(self.on.collect_unit_status, self._collect_status)

    @functools.cached_property
    def _facts(self) -> facts.Facts:
        return facts.Facts.load(self)

    def _take_up(self, event: ops.SecretChangedEvent) -> None:
        """Take up the newest revision, of a secret that no option names now, too: its earlier ones may be removed."""
        # Why one cannot be read is told by what the options name.
        with contextlib.suppress(ops.ModelError):
            event.secret.get_content(refresh=True)
        self._reconcile(event)

    def _reconcile(self, _: ops.EventBase) -> None:
        """Tell all related applications; what cannot be told leaves them with what they were told before."""
        if not self.unit.is_leader() or first_unmet(plan.CONDITIONS, self._facts):
            return
        secret = self._secret()
        handed_over = secret if self._facts.credentials.content else None
        uri = (handed_over.id or handed_over.get_info().id) if handed_over else ''
        for relation in self.model.relations[_ENDPOINT]:
            told = relation.data[self.app]
            if handed_over and told.get('secret') != uri:
                # Before its URI can be read.
                handed_over.grant(relation)
            databags.publish(told, plan.service(self._facts, uri).dump())
        if secret and not handed_over:
            secret.remove_all_revisions()

    def _secret(self) -> ops.Secret | None:
        """This application's own secret, with what the operator's holds now; None if neither is there."""
        content = dict(self._facts.credentials.content)
        try:
            secret = self.model.get_secret(label=_LABEL)
        except ops.SecretNotFoundError:
            return self.app.add_secret(content, label=_LABEL) if content else None
        if content and secret.peek_content() != content:
            secret.set_content(content)
        return secret

    def _forget_revision(self, event: ops.SecretRemoveEvent) -> None:
        """Remove the revision of the own secret that nobody reads any more."""
        # One that was deposed before a hook that died was run again may not; Juju asks the next leader.
        if self.unit.is_leader():
            event.remove_revision()

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        unmet = first_unmet(plan.CONDITIONS, self._facts)
        event.add_status(unmet.status(self._facts) if unmet else ops.ActiveStatus())


if __name__ == '__main__':  # pragma: no cover
    ops.main(ExternalServiceIntegratorCharm)
