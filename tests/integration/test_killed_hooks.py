"""A charm may die at any hook command of any hook: it is run again, and the end is what an undisturbed one would have.

Both charms of the suite are deployed with another `dispatch` (killer/): it kills the charm's process at each hook
command, and once more after the last, in every situation in which it has not been killed yet; hooks for notices and
update-status at commands that tell Juju something. Juju would wait longer and longer before it tries again: `juju
resolved` makes it try at once, but for those.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator

import jubilant
import pytest
import suite

_PATIENCE = 3600.0
"""Seconds: Juju restarts an agent after a failed hook for a notice, and waits longer each time, up to two minutes."""
_STEADY = 30.0
"""Seconds for which all must be active; after a few kills in hooks for notices, the next one is that far away."""
_LOG_LASTS = 120.0
"""Seconds after which Juju's log is read again: it forgets its beginning when it gets long."""
_KILLED = re.compile(r'unit-(\S+)-(\d+): .* hook "([^"]+)" .*failed: (?:exit status 137|signal: killed)')
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * _PATIENCE)]

# Of one length: the names of databases are cut off where they are too long.
CALM, CALM_TOOLS, STRUCK, STRUCK_TOOLS = 'calm00', 'calm00-tools', 'struck', 'struck-tools'
_KILLER = pathlib.Path(__file__).parent / 'killer'


def _killed_charm(name: str, folder: pathlib.Path) -> pathlib.Path:
    """A packed charm that kills itself."""
    target = folder / f'{name}.charm'
    with zipfile.ZipFile(suite.charm(name)) as source, zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as copy:
        for info in source.infolist():
            content = source.read(info)
            if info.filename == 'dispatch':
                info.filename = 'dispatch.own'
            copy.writestr(info, content)
        for file in _KILLER.iterdir():
            copy.write(file, file.name)
    return target


class Resolver:
    """Lets Juju try failed hooks again at once, and knows which ones there were.

    Args:
        juju: the model.
    """

    def __init__(self, juju: jubilant.Juju):
        self._juju = juju
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name='resolver')
        self._lines: set[str] = set()

    def __enter__(self) -> Resolver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stopped.wait(0.3):
            subprocess.run(['juju', 'resolved', '--all', '--model', str(self._juju.model)], capture_output=True)
            if time.monotonic() - looked > _LOG_LASTS:
                self._read_log()
                looked = time.monotonic()

    def _read_log(self) -> None:
        log = self._juju.cli('debug-log', '--replay', '--no-tail', '--level', 'ERROR')
        # A hook takes more than the second that the lines are told apart by.
        self._lines |= {line for line in log.splitlines() if _KILLED.match(line)}

    def killed(self) -> collections.Counter[str]:
        """How often which hook of which unit was killed, from Juju's log."""
        self._read_log()
        found = (_KILLED.match(line) for line in self._lines)
        return collections.Counter(f'{each[1]}/{each[2]} {each[3]}' for each in found if each)


@pytest.fixture(scope='module')
def charms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """The charms that kill themselves."""
    folder = tmp_path_factory.mktemp('killed')
    return {name: _killed_charm(name, folder) for name in (suite.SERVER, suite.ADMIN)}


@pytest.fixture(scope='module')
def resolver(juju: jubilant.Juju) -> Iterator[Resolver]:
    """At work during the whole module; at the end it tells what was killed."""
    with Resolver(juju) as resolver:
        yield resolver
    found = resolver.killed()
    for hook, count in sorted(found.items()):
        print(f'{count:4} {hook}')
    print(f'{found.total():4} hook commands were killed in {len(found)} hooks')


@pytest.fixture(scope='module')
def undisturbed(juju: jubilant.Juju) -> dict:
    """What a suite looks like that is let alone; it has gone again."""
    image = suite.images()['postgresql-image']
    juju.deploy(suite.charm(suite.POSTGRESQL), trust=True, resources={'postgresql-image': image})
    _deploy(juju, CALM, CALM_TOOLS, {name: suite.charm(name) for name in (suite.SERVER, suite.ADMIN)})
    suite.wait_active(juju, timeout=_PATIENCE, steady=_STEADY)
    looked = _look(juju, CALM, CALM_TOOLS)
    juju.remove_application(CALM, CALM_TOOLS)
    return looked


def _deploy(juju: jubilant.Juju, server: str, tools: str, charms: dict[str, pathlib.Path]) -> None:
    images = suite.images()
    for app, name, resource in ((server, suite.SERVER, 'server'), (tools, suite.ADMIN, 'admin')):
        key = f'temporal-{resource}-image'
        juju.deploy(charms[name], app, resources={key: images[key]})
    juju.integrate(f'{server}:database', f'{suite.POSTGRESQL}:database')
    juju.integrate(f'{server}:visibility-database', f'{suite.POSTGRESQL}:database')
    juju.integrate(f'{server}:admin', f'{tools}:admin')


def _through(juju: jubilant.Juju) -> None:
    """Wait until all hooks have gone through and all is active."""
    apps = (STRUCK, STRUCK_TOOLS, suite.POSTGRESQL)
    suite.wait_active(juju, *apps, may_fail=True, timeout=_PATIENCE, steady=_STEADY)


def _look(juju: jubilant.Juju, server: str, tools: str) -> dict:
    """What can be seen of a server and its admin tools, without what must differ between two of them."""
    seen: dict = {}
    for app, container in ((server, suite.CONTAINER[suite.SERVER]), (tools, suite.CONTAINER[suite.ADMIN])):
        unit = json.loads(juju.cli('show-unit', f'{app}/0', '--format=json'))[f'{app}/0']
        seen[container] = {
            'version': unit['workload-version'],
            'ports': sorted(unit['opened-ports'] or []),
            'relations': sorted(
                [
                    relation['endpoint'],
                    # The number of shards is told whenever the admin charm next looks at the database.
                    {k: v for k, v in relation.get('application-data', {}).items() if (app, k) != (tools, 'shards')},
                    [data['data'] for data in relation.get('related-units', {}).values()],
                    relation.get('local-unit', {}).get('data', {}),
                ]
                for relation in unit['relation-info']
            ),
            'plan': suite.pod_exec(juju, f'{app}-0', container, '/charm/bin/pebble plan').splitlines(),
        }
    files = 'cd /etc/temporal && find . -type f | sort && cat *.yaml'
    seen['files'] = suite.pod_exec(juju, f'{server}-0', 'temporal', files).splitlines()
    seen['secrets'] = sorted(s.label or '' for s in juju.secrets() if s.owner == server)
    text = json.dumps(seen, sort_keys=True).replace(tools, 'TOOLS').replace(server, 'SERVER')
    for pattern, word in (
        (r'secret:[-/a-z0-9]+', 'SECRET'),
        (r'relation_id_\d+', 'USER'),
        (r'\b\d+\.\d+\.\d+\.\d+\b', 'ADDRESS'),
        (r'\b[0-9a-f]{16,64}\b', 'HASH'),
        # Of those that are too long, the application's name is cut off as well.
        (r'\b\w+_SERVER(_visibility)?\b|\b\w+_[0-9a-f]{8}\b', 'DATABASE'),
    ):
        text = re.sub(pattern, word, text)
    return json.loads(text)


def _pods(juju: jubilant.Juju) -> set[str]:
    query = ('--ignore-not-found', '--output=jsonpath={.items[*].metadata.uid}')
    return set(suite.kubectl(juju, 'get', 'pod', f'{STRUCK}-0', f'{STRUCK_TOOLS}-0', *query).split())


@pytest.fixture
def struck(juju: jubilant.Juju, undisturbed: dict, resolver: Resolver) -> Iterator[dict]:
    """The suite that is killed; after the test it is active and looks as it did before, and it has been killed."""
    _through(juju)
    before, began = resolver.killed().total(), time.monotonic()
    yield undisturbed
    _through(juju)
    print(f'{resolver.killed().total() - before} killed in {time.monotonic() - began:.0f} s')
    assert _look(juju, STRUCK, STRUCK_TOOLS) == undisturbed
    assert resolver.killed().total() > before


def test_given_a_deployment_when_every_hook_is_killed_at_every_command_then_it_ends_like_an_undisturbed_one(
    juju, undisturbed, resolver, charms
):
    began = time.monotonic()
    _deploy(juju, STRUCK, STRUCK_TOOLS, charms)
    _through(juju)
    killed = resolver.killed()

    print(f'{killed.total()} killed, {time.monotonic() - began:.0f} s')
    assert _look(juju, STRUCK, STRUCK_TOOLS) == undisturbed
    assert {hook.split()[0] for hook in killed} == {f'{STRUCK}/0', f'{STRUCK_TOOLS}/0'}


def test_given_options_when_changed_and_back_under_kills_then_each_is_followed(juju, struck):
    juju.config(STRUCK, {'num-history-shards': 0})
    suite.wait_status(juju, STRUCK, 'blocked: num-history-shards', timeout=_PATIENCE, settled=True)

    juju.config(STRUCK, reset='num-history-shards')


def test_given_a_unit_more_when_it_comes_and_goes_under_kills_then_all_is_as_before(juju, struck):
    juju.add_unit(STRUCK)
    _through(juju)
    juju.remove_unit(STRUCK, num_units=1)
    juju.wait(lambda status: len(status.apps[STRUCK].units) == 1, timeout=_PATIENCE, successes=1)
    # Juju 4.1 has been seen to forget the pod of a unit that took very long to go. No unit can run in it, and it keeps
    # Kubernetes from replacing the other units' pods at a refresh.
    suite.kubectl(juju, 'scale', 'statefulset', STRUCK, '--replicas=1')


@pytest.mark.parametrize(
    ('endpoint', 'app', 'theirs'),
    [('admin', STRUCK_TOOLS, 'admin'), ('database', suite.POSTGRESQL, 'database')],
)
def test_given_a_relation_when_removed_and_made_anew_under_kills_then_all_is_as_before(
    juju, struck, endpoint, app, theirs
):
    juju.remove_relation(f'{STRUCK}:{endpoint}', f'{app}:{theirs}')
    suite.wait_status(juju, STRUCK, 'blocked: ', timeout=_PATIENCE)
    juju.wait(jubilant.all_agents_idle, timeout=_PATIENCE)
    suite.wait_forgotten(juju, endpoint, STRUCK, app, timeout=_PATIENCE)

    juju.integrate(f'{STRUCK}:{endpoint}', f'{app}:{theirs}')


def test_given_charms_when_refreshed_under_kills_then_all_is_as_before(juju, struck, charms):
    before = _pods(juju)
    juju.refresh(STRUCK, path=charms[suite.SERVER])
    juju.refresh(STRUCK_TOOLS, path=charms[suite.ADMIN])

    # Until a unit's pod is another one, its charm is the former.
    suite.wait_until(lambda: len(_pods(juju) - before) == 2, 'the pods are replaced', timeout=_PATIENCE)


def test_given_the_suite_when_removed_under_kills_then_it_goes(juju, undisturbed, resolver):
    juju.remove_application(STRUCK, STRUCK_TOOLS)

    juju.wait(
        lambda status: STRUCK not in status.apps and STRUCK_TOOLS not in status.apps, timeout=_PATIENCE, successes=1
    )
    assert STRUCK not in {secret.owner for secret in juju.secrets()}
