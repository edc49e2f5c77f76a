"""A small model of Juju: which hooks a unit is due, what it finds in them, and what becomes of what it writes.

The order is the uniter's, as Juju's source has it (internal/worker/uniter, 3.6 and 4.1):

- `install` first; then `relation-created` of all relations there are, `leader-elected`, `config-changed`, `start`.
- A relation: `created`; `changed` of the application if it has said anything; `joined` of a unit, after which nothing
  of this relation comes before `changed` of that unit; when it goes, `departed` of every known unit, then `broken`.
  Peers are never broken. Several changes of a databag are one event. What is read is what stands there now.
- `secret-changed` to those who have read the secret; `secret-remove` to the owner's leader, for revisions that nobody
  follows any more.
- A hook that fails is run again, and nothing before it; one cut off by the pod's death, too. A new pod brings
  `upgrade-charm`, `config-changed`, `start`, then `pebble-ready`.
- A dying unit leaves its relations first, then runs `stop` and `remove`.

What arrives from outside arrives at any time: between these rules any order is possible, and the tests choose.

Databags, secrets and ports are written when a hook has succeeded, all or nothing; the status and the workload's
version at once. An application's databag is the leader's to write and, but for peers, to read; a unit's its own. A
secret can be read by its owner's units and by those to whom it was granted over a relation, while that exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops import testing

from stateful import due, pebble
from stateful.model import Application, Hook, Relation, Secret, Seen, Unit
from stateful.runner import Counter, Outcome, Runner

RUNNERS: dict[str, Runner] = {}
"""What runs each application's charm; applications without one are played by the tests."""


class World:
    """A model with applications, relations and secrets.

    Args:
        model: its name.
    """

    def __init__(self, model: str):
        self.model = model
        self.applications: dict[str, Application] = {}
        self.relations: dict[int, Relation] = {}
        self.secrets: dict[str, Secret] = {}
        self.created = 0

    # -- what is there

    def units(self) -> list[Unit]:
        """All units of charms."""
        return [unit for app in self.applications.values() for unit in app.units.values()]

    def related(self, app: str, endpoint: str) -> list[Relation]:
        """The relations of an endpoint, dying ones included."""
        found = []
        for relation in self.relations.values():
            side = relation.of(app)
            if side and side.endpoint == endpoint:
                found.append(relation)
        return found

    def is_leader(self, unit: Unit) -> bool:
        """Whether Juju says so now."""
        return self.applications[unit.app].leader == unit.number and not unit.dying

    def new_secret(self, owner: str, content: dict[str, str], label: str | None = None, id: str = '') -> Secret:
        """Add a secret."""
        secret = Secret(id or self.new_secret_id(), owner, label, {1: dict(content)})
        self.secrets[secret.id] = secret
        return secret

    def new_secret_id(self) -> str:
        """A URI that no secret has had."""
        self.created += 1
        return f'secret:s{self.created:019d}'

    # -- what is due

    def due(self, unit: Unit) -> list[Hook]:
        """The hooks that Juju may run next on a unit, each of them possible."""
        for other in self.units():
            self._enter_scopes(other)
        if unit.failed or unit.queued:
            return [hook for hook in (unit.failed, unit.queued) if hook][:1]
        if unit.dying:
            leaving = due.of_relations(unit, self.relations)
            if leaving or not unit.installed:
                return leaving
            return [Hook('stop' if unit.started and not unit.stopped else 'remove')]
        if not unit.installed:
            return [Hook('install')]
        if unit.rebooted:
            return [Hook('start')]
        created = [Hook('relation-created', id) for id, seen in unit.relations.items() if not seen.created]
        if created:
            return created
        elected = [Hook('leader-elected')] if self.is_leader(unit) and not unit.leader else []
        config = [Hook('config-changed')] if unit.config != self._config(unit) else []
        from_containers = [
            Hook(kind, container=container.name, key=key)
            for container in unit.containers.values()
            for kind, key in container.due[:1]
        ]
        if not unit.started:
            return elected or config + from_containers
        return elected + config + from_containers + self._due_of_secrets(unit) + due.of_relations(unit, self.relations)

    def _config(self, unit: Unit) -> tuple[int, int]:
        return self.applications[unit.app].config_version, unit.incarnation

    def _enter_scopes(self, unit: Unit) -> None:
        if not unit.installed or unit.dying or unit.failed or unit.queued:
            return
        for relation in self.relations.values():
            side = relation.of(unit.app)
            if side and not relation.dying and relation.id not in unit.relations:
                unit.relations[relation.id] = Seen()
                side.write_unit(unit.number, unit.network)

    def _due_of_secrets(self, unit: Unit) -> list[Hook]:
        hooks = []
        for secret in self.secrets.values():
            if (
                unit.name in secret.tracked
                and unit.secrets.get(secret.id) != secret.latest
                and self._reads(unit, secret)
            ):
                hooks.append(Hook('secret-changed', secret=secret.id))
            if secret.owner == unit.app and self.is_leader(unit):
                followed = set(secret.tracked.values())
                hooks += [
                    Hook('secret-remove', secret=secret.id, revision=revision)
                    for revision in secret.revisions
                    if revision != secret.latest
                    and revision not in followed
                    and (secret.id, revision) not in unit.obsolete
                ]
        return hooks

    def _reads(self, unit: Unit, secret: Secret) -> bool:
        """Whether a unit may read a secret of others."""
        granted = (self.relations.get(id) for id in secret.grants)
        return any(relation and relation.of(unit.app) and relation.id in unit.relations for relation in granted)

    # -- what happens

    def run(self, unit: Unit, hook: Hook, die_at: int = 0) -> Outcome:
        """Run a hook, due or not, and take over what it writes if it succeeds.

        Args:
            unit: where.
            hook: which.
            die_at: the number of the hook command or Pebble call at which the unit dies; 0 for none.
        """
        runner = RUNNERS[unit.app]
        state = self._state(unit, hook)

        def client(name: str, count: Counter) -> pebble.Client:
            return pebble.Client(unit.containers[name], count, self.programs(unit))

        event = _event(runner.context, hook, state)
        shown = {secret.id for secret in state.secrets}
        refused = set(self.secrets) - shown
        outcome = runner.run(event, state, unit.number, client, self.new_secret_id, refused, unit.dying, die_at)
        self._commit_at_once(unit, outcome)
        if not outcome.died:
            self._commit(unit, hook, outcome)
        return outcome

    def programs(self, unit: Unit) -> pebble.Programs:
        """What the programs in a unit's containers do."""
        del unit
        return pebble.Programs()

    def deliver(self, unit: Unit, hook: Hook, die_at: int = 0) -> Outcome:
        """Run a hook that is due."""
        assert hook in self.due(unit), f'Juju would not run {hook} on {unit.name} now'
        outcome = self.run(unit, hook, die_at)
        unit.failed = hook if outcome.died else None
        if not outcome.died:
            self._tell(unit, hook)
        return outcome

    def _tell(self, unit: Unit, hook: Hook) -> None:
        """Let the unit's agent remember that a hook has succeeded."""
        unit.queued = None
        if hook.kind.startswith('relation-'):
            self._tell_of_relation(unit, hook)
        elif hook.kind.startswith('pebble-'):
            unit.containers[hook.container].due.remove((hook.kind, hook.key))
        elif hook.kind == 'secret-changed' and hook.secret in self.secrets:
            unit.secrets[hook.secret] = self.secrets[hook.secret].latest
        elif hook.kind == 'secret-remove':
            unit.obsolete.add((hook.secret, hook.revision))
        else:
            self._tell_of_life(unit, hook.kind)

    def _tell_of_life(self, unit: Unit, kind: str) -> None:
        if kind == 'install':
            unit.installed = True
        elif kind == 'leader-elected':
            unit.leader = True
        elif kind == 'config-changed':
            unit.config = self._config(unit)
            unit.queued = None if unit.started else Hook('start')
        elif kind == 'start':
            unit.started, unit.rebooted = True, False
        elif kind == 'upgrade-charm':
            unit.queued = Hook('config-changed')
        elif kind == 'stop':
            unit.stopped = True
        elif kind == 'remove':
            self._remove(unit)

    def _tell_of_relation(self, unit: Unit, hook: Hook) -> None:
        seen, side = unit.relations[hook.relation], self.relations[hook.relation].other(unit.app)
        if hook.kind == 'relation-broken':
            self._leave(unit, self.relations[hook.relation])
        elif hook.kind == 'relation-created':
            seen.created = True
        elif hook.unit is None:
            seen.app = side.version
        elif hook.kind == 'relation-departed':
            seen.members.pop(hook.unit)
        else:
            seen.members[hook.unit] = side.versions.get(hook.unit, 0)
            seen.pending = hook.unit if hook.kind == 'relation-joined' else None

    def _leave(self, unit: Unit, relation: Relation) -> None:
        del unit.relations[relation.id]
        side = relation.of(unit.app)
        assert side
        side.units.pop(unit.number, None)
        self.forget(relation)

    def forget(self, relation: Relation) -> None:
        """Remove a dying relation that no unit is in any more, with what was granted over it."""
        if relation.dying and not any(side.units for side in relation.sides):
            del self.relations[relation.id]
            for secret in self.secrets.values():
                secret.grants.discard(relation.id)

    def _remove(self, unit: Unit) -> None:
        del self.applications[unit.app].units[unit.number]
        for relation in list(self.relations.values()):
            if relation.id in unit.relations:
                self._leave(unit, relation)
        for secret in self.secrets.values():
            secret.tracked.pop(unit.name, None)

    # -- what a unit finds, and what becomes of what it writes

    def _state(self, unit: Unit, hook: Hook) -> testing.State:
        app = self.applications[unit.app]
        return testing.State(
            model=testing.Model(self.model, type='kubernetes'),
            config=dict(app.config),
            leader=self.is_leader(unit),
            relations=list(self._relations(unit, hook)),
            secrets=list(self._secrets(unit)),
            containers=[
                testing.Container(
                    name,
                    can_connect=container.reachable,
                    notices=[testing.Notice(hook.key)] if hook.kind == 'pebble-custom-notice' else [],
                    check_infos=[testing.CheckInfo(hook.key)] if hook.kind.startswith('pebble-check') else [],
                )
                for name, container in unit.containers.items()
            ],
            planned_units=sum(not other.dying for other in app.units.values()),
            opened_ports=unit.ports,
            unit_status=unit.status,
            workload_version=unit.version,
        )

    def _relations(self, unit: Unit, hook: Hook) -> Iterator[testing.RelationBase]:
        for id, seen in unit.relations.items():
            relation = self.relations[id]
            side, other = relation.of(unit.app), relation.other(unit.app)
            assert side
            members = {number: dict(other.units.get(number, {})) for number in seen.members}
            if hook.relation == id and hook.unit is not None:
                members[hook.unit] = dict(other.units.get(hook.unit, {}))
                if hook.kind == 'relation-departed':
                    del members[hook.unit]
            own: dict[str, Any] = {
                'id': id,
                'interface': relation.interface,
                'local_app_data': dict(side.data),
                'local_unit_data': dict(side.units[unit.number]),
            }
            if relation.peer:
                yield testing.PeerRelation(side.endpoint, peers_data=members, **own)
            else:
                yield testing.Relation(
                    side.endpoint,
                    remote_app_name=other.app,
                    remote_app_data=dict(other.data),
                    remote_units_data=members,
                    **own,
                )

    def _secrets(self, unit: Unit) -> Iterator[testing.Secret]:
        for secret in self.secrets.values():
            owned = secret.owner == unit.app
            if not (owned or self._reads(unit, secret)):
                continue
            tracked = secret.tracked.get(unit.name, secret.latest)
            shown = testing.Secret(
                secret.revisions[tracked],
                latest_content=secret.revisions[secret.latest],
                id=secret.id,
                label=secret.label if owned else None,
                owner='app' if owned else None,
                remote_grants={id: {self.relations[id].other(unit.app).app} for id in secret.grants} if owned else {},
            )
            object.__setattr__(shown, '_tracked_revision', tracked)
            object.__setattr__(shown, '_latest_revision', secret.latest)
            yield shown

    def _commit_at_once(self, unit: Unit, outcome: Outcome) -> None:
        """What Juju does not hold back until the hook has succeeded."""
        unit.status, unit.version = outcome.state.unit_status, outcome.state.workload_version
        for shown in outcome.state.secrets:
            secret = self.secrets.get(shown.id)
            if secret and secret.owner != unit.app and secret.id in outcome.read:
                if unit.name not in secret.tracked:
                    unit.secrets[secret.id] = secret.latest
                secret.tracked[unit.name] = shown._tracked_revision

    def _commit(self, unit: Unit, hook: Hook, outcome: Outcome) -> None:
        state, leader = outcome.state, self.is_leader(unit)
        for written in state.relations:
            side = self.relations[written.id].of(unit.app)
            assert side
            data = {key: value for key, value in written.local_app_data.items() if value}
            assert leader or data == side.data, f'{unit.name} wrote the databag of {unit.app}, which it does not lead'
            side.write(data)
            data = {key: value for key, value in written.local_unit_data.items() if value}
            side.write_unit(unit.number, data | (unit.network if hook.kind == 'config-changed' else {}))
        unit.ports = state.opened_ports
        kept = {shown.id for shown in state.secrets}
        for shown in state.secrets:
            secret = self.secrets.get(shown.id)
            if secret is None:
                secret = self.new_secret(unit.app, dict(shown.latest_content or {}), shown.label, shown.id)
            elif shown._latest_revision != secret.latest:
                secret.update(dict(shown.latest_content or {}))
            if secret.owner == unit.app:
                secret.grants = set(shown.remote_grants)
                secret.label = shown.label
        for id in [id for id, secret in self.secrets.items() if secret.owner == unit.app and id not in kept]:
            del self.secrets[id]
        for revision in outcome.removed:
            del self.secrets[hook.secret].revisions[revision]


def _event(context: testing.Context[Any], hook: Hook, state: testing.State) -> Any:
    """The event of ops.testing for a hook."""
    on = context.on
    name = hook.kind.replace('-', '_')
    if hook.relation >= 0:
        relation = state.get_relation(hook.relation)
        remote = {} if hook.kind in ('relation-created', 'relation-broken') else {'remote_unit': hook.unit}
        return getattr(on, name)(relation, **remote)
    if hook.secret:
        known = [secret for secret in state.secrets if secret.id == hook.secret]
        # One that has gone since then: Juju names it all the same.
        secret = known[0] if known else testing.Secret({'gone': 'gone'}, id=hook.secret)
        return on.secret_remove(secret, revision=hook.revision) if hook.revision else on.secret_changed(secret)
    if hook.container:
        container = state.get_container(hook.container)
        if hook.kind == 'pebble-ready':
            return on.pebble_ready(container)
        if hook.kind == 'pebble-custom-notice':
            return on.pebble_custom_notice(container, next(iter(container.notices)))
        return getattr(on, name)(container, next(iter(container.check_infos)))
    return getattr(on, name)()
