"""What the units have agreed on: who is the primary, and what only they know. It is kept in the peer relation.

Application databag: `primary` (a unit's name), `secret` (URI of the application's own secret), `changes` (a number that
wakes the units when the secret has changed), `told` (JSON: relation to a hash of what its client was told).
Unit databag: `role` (what its server is now), `since` (when that server was started), `replace` (the unit in whose
place it was asked to become the primary).
"""

from __future__ import annotations

import json
import secrets

import ops

PRIMARY, STANDBY, NONE = 'primary', 'replica', 'none'
"""What a unit's server is; `none` while one that was the primary waits for the next one."""


class Cluster:
    """The agreement, as one unit sees it.

    Args:
        charm: of the unit.
        relation: the peer relation.
    """

    def __init__(self, charm: ops.CharmBase, relation: ops.Relation):
        self._model, self._app, self._unit = charm.model, charm.app, charm.unit
        self._relation = relation
        self._all = relation.data[charm.app]
        self._own = relation.data[charm.unit]
        self._secret: dict[str, str] | None = None

    @property
    def primary(self) -> str:
        """The unit that is to be the primary; empty until one has been named."""
        return self._all.get('primary', '')

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self._relation.units) + 1

    def role(self, unit: str) -> str:
        """What a unit's server is; empty while it has not said so, and when it is gone."""
        return next((self._relation.data[u].get('role', '') for u in self._everyone() if u.name == unit), '')

    @property
    def acting(self) -> str:
        """The other unit whose server still is the primary, whoever is to be; empty if there is none.

        It is followed until it has stopped: what it writes until then would be lost otherwise.
        """
        acting = (unit.name for unit in self._relation.units if self._relation.data[unit].get('role') == PRIMARY)
        return next(acting, '')

    def say(self, role: str, since: str) -> None:
        """Tell the others what this unit's server is."""
        _write(self._own, {'role': role, 'since': since})
        if role == PRIMARY:
            _write(self._own, {'replace': ''})

    def replace_primary(self) -> None:
        """Ask that this unit become the primary."""
        self._own['replace'] = self.primary

    def lead(self) -> None:
        """Name a primary where there is none, or where a unit is to replace it; make the secret. The leader only."""
        if 'secret' not in self._all:
            content = {name: secrets.token_urlsafe(24) for name in ('operator', 'replication')}
            secret = self._app.add_secret(content)
            self._all['secret'] = secret.id or secret.get_info().id
            self._secret = content
        names = {unit.name for unit in self._everyone()}
        asking = [u.name for u in self._everyone() if self._relation.data[u].get('replace') == self.primary != u.name]
        if self.primary not in names:
            self._all['primary'] = self._unit.name
        elif asking:
            self._all['primary'] = asking[0]

    @property
    def secret(self) -> dict[str, str]:
        """What only the units know; empty until the leader has made it."""
        if self._secret is None:
            uri = self._all.get('secret', '')
            self._secret = self._model.get_secret(id=uri).peek_content() if uri else {}
        return self._secret

    def keep(self, changes: dict[str, str]) -> None:
        """Change the secret; the leader only."""
        content = self.secret | changes
        if content != self.secret:
            self._model.get_secret(id=self._all['secret']).set_content(content)
            self._secret = content
            self._all['changes'] = str(int(self._all.get('changes', '0')) + 1)

    def told(self, relation: ops.Relation) -> str:
        """The hash of what a client was told last."""
        return json.loads(self._all.get('told', '{}')).get(str(relation.id), '')

    def tell(self, relation: ops.Relation, mark: str) -> None:
        """Remember the hash of what a client was told; the leader only."""
        marks = json.loads(self._all.get('told', '{}'))
        self._all['told'] = json.dumps(marks | {str(relation.id): mark}, sort_keys=True)

    def _everyone(self) -> list[ops.Unit]:
        return sorted({self._unit, *self._relation.units}, key=lambda unit: unit.name)


def _write(databag: ops.RelationDataContent, content: dict[str, str]) -> None:
    for key, value in content.items():
        if databag.get(key, '') != value:
            databag[key] = value
