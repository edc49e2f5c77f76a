"""The suite as an operator deploys it, in the model of Juju, with all that can happen to it."""

from __future__ import annotations

import json
import pickle
import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from stateful import outside
from stateful.container import Container
from stateful.juju import RUNNERS, World
from stateful.model import Application, Databag, Hook, Relation, Side, Unit
from stateful.neighbours import Postgresql
from stateful.runner import Outcome, Runner

SERVER, ADMIN, MEMBER = 'tempo', 'keeper', 'muscle'
"""The server, the admin charm, and a member of the server's cluster, by names that are nobody's usual ones."""

MODEL = 'm'
GOOD = '1.32.2'
ENDS = {'db': ('pg', 'db'), 'visibility': ('pg', 'db')}
ENDS |= {'database': ('pg', 'database'), 'visibility-database': ('pg', 'database')}
ENDS |= {'admin': (ADMIN, 'admin'), 'join-cluster': (SERVER, 'cluster')}
ENDS |= {name: ('others', name) for name in ('ingress', 'nginx-route', 'temporal-host-info')}
"""What stands at the other end of each endpoint of a server: application and endpoint."""

RUNNERS[SERVER] = Runner(outside.server, outside.SERVER_SOURCE, SERVER)
RUNNERS[ADMIN] = Runner(outside.admin, outside.ADMIN_SOURCE, ADMIN)
RUNNERS[MEMBER] = Runner(outside.server, outside.SERVER_SOURCE, MEMBER)
_TOKEN = re.compile(r'secret:[a-z]+\d+|relation_id_\d+|hush\d+|\b10\.\d+\.\d+\.\d+')
_NOTIFY = re.compile(r'--notify (\S+)')
_HISTORY = ('secrets.json', 'restarts.jsonl', 'dynamic-config.candidate.yaml', 'dynamic-config.judged.json')
"""Files of the charms that tell of the past."""


def image(charm: str, version: str) -> dict[str, dict[str, str]]:
    """The images of an application: the version of each program, by container."""
    if charm != ADMIN:
        return {'temporal': {'temporal-server': version} if version else {}}
    programs = ('temporal-sql-tool', 'tctl', 'temporal')
    return {'temporal-admin': dict.fromkeys(programs, version) if version else {}}


class Suite(World):
    """Server and admin charm, with PostgreSQL and whoever else they can be related to.

    Attributes:
        postgresql: the one they use.
        tool_breaks: whether the schema tool fails halfway.
        random: chooses the order in which a world settles.
        journal: what has happened, for whoever must understand a failure.
        check: looks at every event when it has run.
    """

    check: Callable[[Suite, Unit, Hook, Outcome], None] = staticmethod(lambda *_: None)

    def __init__(self):
        super().__init__(MODEL)
        self.postgresql = Postgresql('pg')
        self.tool_breaks = False
        self.random = random.Random(0)
        self.journal: list[str] = []
        self._relations_made = 0
        for name in ('pg', 'others'):
            self.applications[name] = Application(name)

    def copy(self) -> Suite:
        """The same world, to go on from here in another way."""
        return pickle.loads(pickle.dumps(self))

    def version(self, app: str) -> str:
        """The version of an application's image; empty for one without programs."""
        (programs,) = self.applications[app].images.values()
        return next(iter(programs.values()), '')

    def charms(self) -> list[str]:
        """The applications that run charms."""
        return [app for app in RUNNERS if app in self.applications]

    # -- what the operator does

    def deploy(self, charm: str, units: int, version: str = GOOD, **config: Any) -> None:
        """Deploy an application."""
        self.applications[charm] = Application(charm, image(charm, version), dict(config))
        for endpoint, meta in RUNNERS[charm].meta.get('peers', {}).items():
            self._add_relation(meta['interface'], [Side(charm, endpoint)])
        for _ in range(units):
            self.add_unit(charm)

    def add_unit(self, app: str) -> None:
        """Scale up by one."""
        application = self.applications[app]
        number = len(application.units)
        containers = {name: Container(name, programs) for name, programs in application.images.items()}
        application.units[number] = Unit(app, number, containers)
        if application.leader is None:
            application.leader = number

    def remove_unit(self, app: str) -> None:
        """Scale down by one; Kubernetes takes the last."""
        application = self.applications[app]
        number = max(application.units)
        unit = application.units[number]
        unit.dying = True
        if application.leader == number:
            application.leader = min(application.units) if number else None
        if not unit.installed and not unit.failed:
            self._remove(unit)

    def configure(self, app: str, values: dict[str, Any]) -> None:
        """Set options; None resets one."""
        application = self.applications[app]
        config = {name: value for name, value in {**application.config, **values}.items() if value is not None}
        if config != application.config:
            application.config = config
            application.config_version += 1

    def attach(self, app: str, version: str) -> None:
        """Attach another image; Kubernetes replaces every pod."""
        application = self.applications[app]
        application.images = image(app, version)
        for unit in application.units.values():
            self.replace_pod(unit)

    def integrate(self, app: str, endpoint: str) -> None:
        """Relate an endpoint to whoever stands at its other end."""
        meta = RUNNERS[app].meta
        interface = {**meta.get('requires', {}), **meta.get('provides', {})}[endpoint]['interface']
        other, other_endpoint = ENDS[endpoint]
        relation = self._add_relation(interface, [Side(app, endpoint), Side(other, other_endpoint)])
        if other not in RUNNERS:
            relation.sides[1].write_unit(0, {})

    def separate(self, relation: Relation) -> None:
        """Remove a relation."""
        relation.dying = True
        for side in relation.sides:
            if side.app not in RUNNERS:
                side.units.clear()
        if relation.of(self.postgresql.app):
            self.postgresql.leave(self, relation)
        self.forget(relation)

    def _add_relation(self, interface: str, sides: list[Side]) -> Relation:
        relation = Relation(self._relations_made, interface, sides)
        self._relations_made += 1
        self.relations[relation.id] = relation
        return relation

    # -- what happens

    def replace_pod(self, unit: Unit) -> None:
        """Kubernetes puts another pod in a pod's place."""
        unit.incarnation += 1
        for container in unit.containers.values():
            container.restart(self.applications[unit.app].images[container.name])
        if unit.failed and unit.failed.kind.startswith('pebble-'):
            unit.failed = None
        if unit.installed and not (unit.failed or unit.queued or unit.dying):
            unit.queued = Hook('upgrade-charm')
        unit.rebooted = unit.started and not unit.dying

    def restart_container(self, unit: Unit) -> None:
        """The workload's container ends and comes up again, alone."""
        for container in unit.containers.values():
            container.restart()
        if unit.failed and unit.failed.kind.startswith('pebble-'):
            unit.failed = None

    def lead(self, app: str, number: int) -> None:
        """Juju makes another unit the leader; the one before is not told."""
        application = self.applications[app]
        if application.leader in application.units:
            before = application.units[application.leader]  # type: ignore[index]
            before.leader, before.deposed = False, True
        application.leader = number

    def programs(self, unit: Unit) -> outside.Tools:
        """What the programs in a unit's containers do."""
        del unit
        return outside.Tools(self)

    def run(self, unit: Unit, hook: Hook, die_at: int = 0) -> Outcome:
        """Run a hook with all that the charm reaches besides Juju."""
        self.journal.append(f'{unit.name}: {hook}' + (f' dies at {die_at}' if die_at else ''))
        with outside.entered(self, unit):
            outcome = super().run(unit, hook, die_at)
        unit.deposed = unit.deposed and bool(outcome.died)
        self.check(self, unit, hook, outcome)
        return outcome

    # -- until nothing happens any more

    def settle(self, most: int = 1500) -> None:
        """Let everything that is due happen, in any order, until nothing more does.

        A charm that asks again and again for something that does not come is at rest if its asking changes nothing.

        Args:
            most: how many hooks that may take.
        """
        before, hooks = '', []
        for _ in range(most):
            self._others_move()
            hooks = [(unit, hook) for unit in self.units() for hook in self.due(unit)]
            if not hooks:
                return
            if all(hook.kind == 'pebble-custom-notice' for _, hook in hooks):
                picture = self.picture()
                if picture == before:
                    return
                before = picture
                for unit, hook in hooks:
                    self.deliver(unit, hook)
            else:
                self.deliver(*self.random.choice(hooks))
        raise AssertionError(f'after {most} hooks there is still something to do: {[str(hook) for _, hook in hooks]}')

    def tell_of_time(self, units: Iterable[Unit]) -> None:
        """Let Juju's clock come to units, and what follows; nothing else tells one that it leads no longer."""
        for unit in units:
            self.run(unit, Hook('update-status'))
        self.settle()

    def _others_move(self) -> None:
        """Let everybody but the charms do what they are to do."""
        for container in self.containers():
            if not container.reachable:
                container.come_up()
            self.start_again(container)
            self.serve(container)
            self.watch(container)
            for name in container.checks:
                container.examine(name)
        for relation in self.postgresql.unanswered(self):
            self.postgresql.answer(self, relation)

    def containers(self) -> list[Container]:
        """All containers of units that stay."""
        return [container for unit in self.units() if not unit.dying for container in unit.containers.values()]

    def start_again(self, container: Container) -> None:
        """Pebble starts again what had ended at once."""
        if not self.postgresql.down:
            container.retry()

    def serve(self, container: Container) -> bool:
        """A server that runs comes to serve, if it can; whether it did."""
        if 'temporal' not in container.running or container.serving or self.postgresql.down:
            return False
        database, shards = outside.started_with(container)
        if self.postgresql.schemas.get(database) != outside.SCHEMAS['temporal']:
            return False
        container.serve()
        self.postgresql.shards.setdefault(database, shards)
        for service in container.running.values():
            for notice in _NOTIFY.findall(service['command']):
                container.announce('pebble-custom-notice', notice)
        return True

    def watch(self, container: Container) -> bool:
        """The watcher of databases looks at them, and tells if they are not as the charm knows them; whether it did."""
        service = container.running.get('temporal-schema')
        databases, known = (container.files.get(f'/etc/temporal-charm/{name}.json') for name in ('databases', 'known'))
        if not (service and databases and known):
            return False
        logins, expected = json.loads(databases.content), json.loads(known.content)
        seen = {name: outside.state(self.postgresql, login) for name, login in logins.items()}
        news = f'{known.content} {seen}'
        told = seen == expected['states'] or news == container.told
        if 'busy' in seen.values() or (told and not expected['again']):
            return False
        container.told = news
        container.announce('pebble-custom-notice', _NOTIFY.findall(service['command'])[0])
        return True

    def repeatable(self, unit: Unit) -> list[Hook]:
        """The hooks that may come once more to a unit at rest."""
        hooks = [Hook(kind) for kind in ('config-changed', 'update-status', 'start', 'upgrade-charm')]
        hooks += [Hook('leader-elected')] if self.is_leader(unit) else []
        hooks += [Hook('pebble-ready', container=name) for name in unit.containers]
        hooks += [Hook('secret-changed', secret=id) for id, other in self.secrets.items() if unit.name in other.tracked]
        for id, seen in unit.relations.items():
            hooks += [Hook('relation-created', id), Hook('relation-changed', id)]
            for number in seen.members:
                hooks += [Hook('relation-joined', id, number), Hook('relation-changed', id, number)]
        return hooks

    # -- what there is to be seen

    def picture(self) -> str:
        """Everything that matters, as JSON, with names in the place of numbers that depend on what was before."""
        units = {}
        for unit in self.units():
            units[unit.name] = {
                'status': [unit.status.name, unit.status.message],
                'version': unit.version,
                'ports': sorted(str(port) for port in unit.ports),
                'leader': self.is_leader(unit),
                'containers': {name: _container(container) for name, container in unit.containers.items()},
            }
        databags = {
            f'{side.app}:{side.endpoint}': [
                _without_shards(side.data) if side.endpoint in ('admin', 'cluster') else side.data,
                side.units,
            ]
            for relation in self.relations.values()
            for side in relation.sides
            if side.app in RUNNERS
        }
        secrets = {
            self._name(secret.id): [secret.revisions[secret.latest], sorted(self._endpoint(id) for id in secret.grants)]
            for secret in self.secrets.values()
        }
        pg = self.postgresql
        picture = {'units': units, 'databags': databags, 'secrets': secrets, 'schemas': [pg.schemas, pg.shards]}
        names = self._names()
        text = json.dumps(picture, sort_keys=True, indent=1)
        return _TOKEN.sub(lambda match: names.get(match[0], match[0]), text)

    def _names(self) -> dict[str, str]:
        names = {secret.id: self._name(secret.id) for secret in self.secrets.values()}
        names |= {unit.address: f'<address of {unit.name}>' for unit in self.units()}
        for id, password in self.postgresql.logins.items():
            names[f'relation_id_{id}'] = f'<user of {self._endpoint(id)}>'
            names[password.partition('&')[0]] = f'<password of {self._endpoint(id)}>'
        return names

    def _name(self, uri: str) -> str:
        secret = self.secrets[uri]
        return f'<secret of {secret.owner} {secret.label or sorted(map(self._endpoint, secret.grants))} {uri[7:11]}>'

    def _endpoint(self, id: int) -> str:
        relation = self.relations.get(id)
        return f'{relation.sides[0].app}:{relation.sides[0].endpoint}' if relation else f'{id}, which is gone'


def _without_shards(databag: Databag) -> Databag:
    """What the admin charm says, but for the number that it learns from the database whenever it next looks there."""
    return {
        name: json.dumps(_without_shards(json.loads(value))) if name == 'schema' else value
        for name, value in databag.items()
        if name != 'shards'
    }


def _container(container: Container) -> dict[str, Any]:
    running = {**container.running, **container.retried}
    return {
        'reachable': container.reachable,
        'serving': container.serving,
        'running': running,
        # A service that was stopped stays in the plan.
        'plan': {name: service for name, service in container.plan['services'].items() if name in running},
        'checks': {name: check.status for name, check in container.checks.items()},
        'files': {
            path: [file.content.decode(errors='replace'), file.mode, file.owner]
            for path, file in container.files.items()
            if not path.endswith(_HISTORY) and not path.startswith('/usr/')
        },
    }
