"""The images are small, run without root, are laid out like the official ones, and hold the versions they say."""

from __future__ import annotations

import http.client
import json
import re
import socket

import pytest
import yaml
from packaging.utils import canonicalize_name

from lab import commands, images, packing, settings

MB = 1e6
LIMITS = {'temporal-server': 200, 'temporal-worker': 250, 'temporal-admin': 400}
"""What an image may hold at most, unpacked, in MB."""

SUITE = {image.name: image for image in images.SUITE}
SUITE |= {f'{image.name}-previous': image for image in images.PREVIOUS}
NEIGHBOURS = {image.name: image for image in images.NEIGHBOURS}
IMAGES = SUITE | NEIGHBOURS
ON_REQUEST = [pytest.param(name, marks=pytest.mark.soak) for name in NEIGHBOURS]
OWN_USER = [name for name in SUITE if name != 'nginx']
"""nginx's master process starts as root, drops it for the processes that serve, and is the lab's only."""

_MANIFESTS = ', '.join(
    f'application/vnd.{kind}' for kind in ('oci.image.manifest.v1+json', 'docker.distribution.manifest.v2+json')
)


@pytest.fixture(scope='session')
def built() -> None:
    """The images of the tree as it is now; `lab images` starts what does not run, which is no test's to decide."""
    references = [images.reference(image) for image in SUITE.values()]
    if missing := [r for r in references if not _exists(r)]:
        pytest.fail(f'not built: {", ".join(missing)}; run lab/bin/lab images --previous')


@pytest.fixture(scope='session')
def resources(built: None) -> list[tuple[str, str]]:
    """The lines of dist/resources.env: a resource and its image."""
    lines = (settings.DIST / 'resources.env').read_text().splitlines()
    return [(name, reference) for name, _, reference in (line.partition('=') for line in lines)]


@pytest.fixture(params=SUITE)
def name(request: pytest.FixtureRequest, built: None) -> str:
    if not _exists(images.reference(IMAGES[request.param])):
        pytest.fail(f'not built: {request.param}; run lab/bin/lab images --neighbours')
    return request.param


def _exists(reference: str) -> bool:
    return commands.succeeds(['podman', 'image', 'exists', reference], env=images.environment())


def _podman(*arguments: str) -> str:
    return commands.output(['podman', *arguments], env=images.environment())


def _inspect(name: str) -> dict:
    return json.loads(_podman('image', 'inspect', images.reference(IMAGES[name])))[0]


def _run(name: str, script: str, *, options: tuple[str, ...] = ()) -> str:
    """What a shell in a container of an image says, all of it; the image's own user, no network."""
    run = ['run', '--rm', '--network=none', *options, images.reference(IMAGES[name])]
    return _podman(*run, 'sh', '-euc', f'exec 2>&1; {script}').strip()


@pytest.mark.parametrize('name', LIMITS, indirect=True)
def test_given_an_image_then_it_is_not_larger_than_it_may_be(name):
    assert _inspect(name)['Size'] <= LIMITS[name] * MB


@pytest.mark.parametrize('name', [*OWN_USER, *ON_REQUEST], indirect=True)
def test_given_an_image_then_its_user_is_not_root(name):
    assert int(_run(name, 'id -u')) > 0


@pytest.mark.parametrize('name', ['temporal-server', 'temporal-admin', 'temporal-worker'], indirect=True)
def test_given_an_image_of_temporals_then_its_user_is_the_official_ones(name):
    assert _run(name, 'id -un; id -u; id -g; test -w "$HOME"').split() == ['temporal', '1000', '1000']


@pytest.mark.parametrize(
    ('name', 'program', 'said'),
    [
        ('temporal-server', 'temporal-server --version', 'temporal version 1.32.2'),
        ('temporal-admin', 'temporal-sql-tool --version', 'temporal-sql-tool version 1.32.2'),
        ('temporal-server-previous', 'temporal-server --version', 'temporal version 1.31.2'),
        ('temporal-admin-previous', 'temporal-sql-tool --version', 'temporal-sql-tool version 1.31.2'),
        ('temporal-admin', 'temporal --version', 'temporal version 1.5.1 '),
        ('temporal-admin', 'tctl --version', 'tctl version 1.18.'),
        ('temporal-worker', 'python3 --version', 'Python 3.11.'),
        ('temporal-worker', 'python3 -m pip --version', 'pip 26.3 '),
        ('postgresql', '/usr/lib/postgresql/15/bin/postgres --version', 'postgres (PostgreSQL) 15.'),
        ('nginx', 'nginx -v', 'nginx version: nginx/1.22.'),
        ('oci-factory-stand-ins', 'python3 --version', 'Python 3.11.'),
        pytest.param('kafka', "java -cp '/opt/kafka/libs/*' kafka.Kafka --version", '4.3.1 ', marks=pytest.mark.soak),
        pytest.param('rabbitmq', '/usr/lib/rabbitmq/bin/rabbitmqctl version', '3.10.', marks=pytest.mark.soak),
        pytest.param('minio', 'minio --version', 'minio version ', marks=pytest.mark.soak),
        pytest.param(
            'oci-factory-swift', 'dpkg -s swift-proxy | grep Version', 'Version: 2.30.', marks=pytest.mark.soak
        ),
        pytest.param(
            'oci-factory-swift', 'dpkg -s keystone | grep Version', 'Version: 2:22.0.', marks=pytest.mark.soak
        ),
    ],
    indirect=['name'],
)
def test_given_an_image_when_its_programs_run_then_they_are_of_the_version(name, program, said):
    assert f'{_run(name, program)} '.startswith(said)


@pytest.mark.parametrize(
    ('name', 'program'),
    [
        ('temporal-server', 'temporal-server --version'),
        ('temporal-admin', 'temporal-sql-tool --version'),
        ('temporal-server-previous', 'temporal-server --version'),
        ('temporal-admin-previous', 'temporal-sql-tool --version'),
        ('temporal-worker', 'python3 -c "import temporalio.service as s; print(s.__version__)"'),
        ('postgresql', '/usr/lib/postgresql/15/bin/postgres --version'),
        ('nginx', 'nginx -v'),
    ],
    indirect=['name'],
)
def test_given_an_image_then_its_tag_names_the_version_in_it(name, program):
    version = re.escape(SUITE[name].version)

    assert re.search(rf'(?<![\d.]){version}(?!\d)', _run(name, program))


def test_given_the_servers_image_then_it_is_laid_out_like_the_official_one(built):
    config = _inspect('temporal-server')['Config']

    assert config['WorkingDir'] == '/etc/temporal'
    assert config['Cmd'] == ['temporal-server', 'start']
    assert _run('temporal-server', 'command -v temporal-server; pwd; test -w .').split() == [
        '/usr/local/bin/temporal-server',
        '/etc/temporal',
    ]


def test_given_the_admin_image_then_it_is_laid_out_like_the_official_one(built):
    programs = ['temporal', 'tctl', 'temporal-sql-tool']
    schema = '/etc/temporal/schema/postgresql/v12'

    found = _run('temporal-admin', '; '.join(f'command -v {program}' for program in programs))
    schemas = _run('temporal-admin', f'cd {schema}; cat */versioned/v1.0/manifest.json >/dev/null; ls -d */versioned')

    assert found.split() == [f'/usr/local/bin/{program}' for program in programs]
    assert schemas.split() == ['temporal/versioned', 'visibility/versioned']


def test_given_the_workers_image_then_it_holds_what_is_locked_for_it(built, locked):
    script = 'python3 -m pip list --path /usr/local/lib/python3.11/dist-packages --format json 2>/dev/null'

    installed = {canonicalize_name(d['name']): d['version'] for d in json.loads(_run('temporal-worker', script))}

    assert installed == locked('temporal-worker-image')


def test_given_the_packed_workflows_when_installed_in_the_workers_image_then_they_need_nothing_else(built, dist):
    # Without the image's own packages, so that what is missing is missed.
    script = """
        mkdir /tmp/wheels
        tar -C /tmp/wheels -xf /dist/oci-factory.tar
        python3 -m venv --without-pip /tmp/venv
        python3 -m pip --python /tmp/venv/bin/python install --quiet --no-index --find-links /tmp/wheels oci-factory
        /tmp/venv/bin/python -c 'import oci_factory.activities, oci_factory.rebuild as r; print(r.__file__)'
    """

    said = _run('temporal-worker', script, options=(f'--volume={dist}:/dist:ro',))

    assert said == '/tmp/venv/lib/python3.11/site-packages/oci_factory/rebuild.py'


def test_given_the_charms_then_resources_env_names_an_image_for_each_that_they_ask_for(resources):
    named = [name for name, _ in resources]

    assert sorted(set(named)) == sorted(named)
    assert _asked_for() - set(named) == set()
    asked_for = [image for image in NEIGHBOURS.values() if _status(images.reference(image)) == http.HTTPStatus.OK]
    wanted = [*SUITE.values(), *asked_for]
    assert dict(resources) == {image.resource: images.reference(image) for image in wanted}


def _asked_for() -> set[str]:
    """The images that the charms of the repository have as resources."""
    files = [folder / file for folder in packing.charms() for file in ('metadata.yaml', 'charmcraft.yaml')]
    declared = [yaml.safe_load(file.read_text()).get('resources', {}) for file in files if file.exists()]
    found = {name for part in declared for name, resource in part.items() if resource['type'] == 'oci-image'}
    # One for each charm that has a container.
    assert len(found) == sum('containers' in yaml.safe_load(file.read_text()) for file in files if file.exists())
    return found


def test_given_the_registry_when_asked_then_it_has_each_image_of_resources_env(resources):
    assert {reference: _status(reference) for _, reference in resources} == {r: 200 for _, r in resources}


def test_given_the_registry_when_asked_for_an_image_that_is_not_there_then_it_says_so(resources):
    assert _status(f'{settings.REGISTRY}/temporal-server:none') == 404


def _status(reference: str) -> int:
    registry, _, rest = reference.partition('/')
    name, _, tag = rest.rpartition(':')
    connection = http.client.HTTPConnection(registry, timeout=5)
    try:
        connection.request('HEAD', f'/v2/{name}/manifests/{tag}', headers={'Accept': _MANIFESTS})
        return connection.getresponse().status
    finally:
        connection.close()


def test_given_the_registry_then_only_this_machine_reaches_it(built):
    host, _, port = settings.REGISTRY.partition(':')

    socket.create_connection((host, int(port)), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((settings.NODE_IP, int(port)), timeout=5)
