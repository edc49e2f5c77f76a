"""Who a worker is, and what encrypts its payloads, by Juju's secrets, for a server elsewhere that wants to know."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Iterator

import jubilant
import pytest
import suite
import temporal
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from temporalio.client import Client, WorkflowHandle
from temporalio.service import TLSConfig

from bench import wheel
from lab.settings import NODE_IP

# The servers, and those whom they believe, are those of the charm's own tests.
sys.path.extend(str(suite.ROOT / 'charms' / suite.WORKER / part) for part in ('src', 'tests/unit', 'tests/lab'))
import code_under_test
import temporal_server
from identities import Issuer
from temporal_server import Server, Tls
from working import QUEUE, encrypting, finish, start

from loader.codec import Key

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which('temporal-server') is None, reason='the lab alone has a server of one process'),
    pytest.mark.filterwarnings('ignore:.*utc.*:DeprecationWarning'),
]

APP, WRITE = 'known', 'default:write'
_CODE = pathlib.Path(code_under_test.__file__).read_text() + suite.PULSE


class Vault:
    """The operator's secrets, which this application may read once they are granted.

    Attributes:
        values: all that has ever stood in one.
    """

    def __init__(self, juju: jubilant.Juju):
        self._juju = juju
        self.values: list[str] = []

    def add(self, name: str, **content: str) -> str:
        """Make one; gives back its identifier."""
        return self._juju.add_secret(name, self._named(content)).unique_identifier

    def update(self, name: str, **content: str) -> None:
        """Make another revision."""
        self._juju.update_secret(name, self._named(content))

    def _named(self, content: dict[str, str]) -> dict[str, str]:
        self.values += content.values()
        return {name.replace('_', '-'): value for name, value in content.items()}


@pytest.fixture(scope='module')
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope='module')
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        yield server


def _files(folder: pathlib.Path, authority: trustme.CA, *, clients: bool) -> Tls:
    leaf = authority.issue_cert(NODE_IP)
    leaf.cert_chain_pems[0].write_to_path(str(folder / 'server.pem'))
    leaf.private_key_pem.write_to_path(str(folder / 'server.key'))
    authority.cert_pem.write_to_path(str(folder / 'clients.pem'))
    return Tls(folder / 'server.pem', folder / 'server.key', folder / 'clients.pem' if clients else None)


def _ready(server: Server) -> Server:
    """It answers, and has the namespace."""
    asyncio.run(server.admin())
    return server


@pytest.fixture(scope='module')
def guarded(tmp_path_factory, authority: trustme.CA, issuer: Issuer) -> Iterator[Server]:
    """A server with TLS that believes the issuer's tokens alone."""
    folder = tmp_path_factory.mktemp('guarded')
    files, trusted = _files(folder, authority, clients=False), TLSConfig(authority.cert_pem.bytes())
    with temporal_server.serve(folder, tls=files, keys=issuer.url, host=NODE_IP) as address:
        yield _ready(
            Server(address, trusted, lambda: {'authorization': f'Bearer {issuer.token("temporal-system:admin")}'})
        )


@pytest.fixture(scope='module')
def certified(tmp_path_factory, authority: trustme.CA) -> Iterator[Server]:
    """A server that wants client certificates."""
    folder = tmp_path_factory.mktemp('certified')
    own = authority.issue_cert('admin')
    trusted = TLSConfig(
        authority.cert_pem.bytes(),
        client_cert=own.cert_chain_pems[0].bytes(),
        client_private_key=own.private_key_pem.bytes(),
    )
    files = _files(folder, authority, clients=True)
    with temporal_server.serve(folder, tls=files, host=NODE_IP) as address:
        yield _ready(Server(address, trusted, dict))


@pytest.fixture(scope='module')
def vault(juju: jubilant.Juju) -> Vault:
    return Vault(juju)


@pytest.fixture(scope='module', autouse=True)
def worker(
    juju: jubilant.Juju,
    guarded: Server,
    authority: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:
    """A worker that is related to nobody; for the server that wants a token."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('known')
        env = folder / 'known.env'
        env.write_text('UNUSED=1\n')
        suite.deploy_worker(juju, APP, workflows=wheel.archive(folder, APP, _CODE), env=env, queue=QUEUE)
    juju.config(APP, {'host': guarded.address, 'tls-root-cas': authority.cert_pem.bytes().decode()})


def _works(server: Server) -> bool:
    """Whether a workflow goes through all that it has to."""

    async def main() -> bool:
        return await finish(await start(await server.admin())) == 'hello you'

    return asyncio.run(main())


def _processes(juju: jubilant.Juju) -> str:
    """The worker's process; empty while there is none."""
    # The brackets keep the shell from finding itself.
    found = "tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '[l]oader.run'"
    script = f'for p in /proc/[0-9]*; do {found} && echo ${{p#/proc/}}; done; true'
    return suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], script).strip()


@contextlib.contextmanager
def _restarted(juju: jubilant.Juju) -> Iterator[None]:
    """Wait at its end until another process does the work."""
    before = _processes(juju)
    yield
    suite.wait_until(lambda: _processes(juju) not in ('', before), 'the worker is another process', 180, 1)
    suite.wait_active(juju, APP)


def _all_ended_well(load: temporal.Load) -> None:
    print(load)
    assert not load.failures, load.failures[:3]
    assert load.ended == load.started > 0


def test_given_no_secret_then_the_status_says_what_the_server_wants(juju, guarded):
    suite.wait_status(
        juju,
        APP,
        f'blocked: {guarded.address} refuses a worker that does not say who it is: set auth-provider and '
        'auth-secret-id',
        timeout=300,
    )


def test_given_a_token_when_it_is_granted_then_the_worker_works(juju, guarded, issuer, vault):
    identifier = vault.add('token', token=issuer.token(WRITE))
    juju.config(APP, {'auth-provider': 'token', 'auth-secret-id': f'secret:{identifier}'})
    suite.wait_status(
        juju,
        APP,
        f'blocked: auth-secret-id: secret:{identifier} is not granted to {APP}: juju grant-secret {identifier} {APP}',
    )

    juju.grant_secret('token', APP)

    suite.wait_active(juju, APP)
    assert _works(guarded)


def test_given_load_when_short_tokens_are_rotated_then_no_workflow_fails_and_nothing_restarts(
    juju, guarded, issuer, vault
):
    before = _processes(juju)
    with temporal.under_load(guarded.admin, QUEUE) as load:
        for lifetime in (*[45] * 6, 3600):
            vault.update('token', token=issuer.token(WRITE, lifetime=lifetime))
            time.sleep(15)

    _all_ended_well(load)
    assert load.gap < 15
    assert _processes(juju) == before != ''


@pytest.mark.parametrize(
    ('token', 'why'),
    [
        (lambda issuer: issuer.token(WRITE, lifetime=-60), ', which has expired'),
        (lambda issuer: issuer.token(WRITE, lifetime=20), ', which has expired'),
        (lambda issuer: issuer.token(WRITE, key=rsa.generate_private_key(65537, 2048)), ''),
        (lambda issuer: issuer.token('other:write'), ''),
    ],
    ids=['expired', 'that expires under the worker', 'signed by another', 'for another namespace'],
)
def test_given_a_token_that_is_refused_then_the_status_says_which_and_why_until_it_is_mended(
    juju, guarded, issuer, vault, token, why
):
    vault.update('token', token=token(issuer))
    identifier = juju.show_secret('token').uri.unique_identifier
    suite.wait_status(
        juju,
        APP,
        f'blocked: {guarded.address} refuses the token of secret:{identifier} (auth-secret-id){why}: '
        'juju update-secret takes another',
    )

    vault.update('token', token=issuer.token(WRITE))

    suite.wait_active(juju, APP)
    assert _works(guarded)


@pytest.fixture
def often(juju: jubilant.Juju) -> Iterator[None]:
    """Juju tells no charm that a secret was revoked or removed: let it be looked for sooner than every five minutes."""
    juju.model_config({'update-status-hook-interval': '15s'})
    yield
    juju.model_config(reset='update-status-hook-interval')


@pytest.mark.usefixtures('often')
def test_given_a_secret_that_is_revoked_then_the_worker_goes_on_and_the_status_says_how_to_mend_it(juju, guarded):
    identifier = juju.show_secret('token').uri.unique_identifier
    juju.cli('revoke-secret', 'token', APP)
    said = f'secret:{identifier} is not granted to {APP}: juju grant-secret {identifier} {APP}'
    suite.wait_status(juju, APP, f'blocked: auth-secret-id: {said}', timeout=400)
    assert _works(guarded)

    juju.grant_secret('token', APP)

    suite.wait_active(juju, APP)
    assert _works(guarded)


@pytest.mark.usefixtures('often')
def test_given_a_secret_that_is_removed_then_the_status_says_so_until_there_is_another(juju, guarded, issuer, vault):
    identifier = juju.show_secret('token').uri.unique_identifier
    juju.remove_secret('token')
    suite.wait_status(juju, APP, f'blocked: auth-secret-id: secret:{identifier} is not ', timeout=400)
    assert _works(guarded)

    other = vault.add('other-token', token=issuer.token(WRITE))
    juju.grant_secret('other-token', APP)
    juju.config(APP, {'auth-secret-id': f'secret:{other}'})

    suite.wait_active(juju, APP)
    assert _works(guarded)


async def _greeted(client: Client, name: str) -> WorkflowHandle:
    """A workflow whose activity has ended, and that waits."""
    handle = await start(client, name)
    async with asyncio.timeout(60):
        while 'ACTIVITY_TASK_COMPLETED' not in (await handle.fetch_history()).to_json():
            await asyncio.sleep(0.2)
    return handle


def test_given_workflows_when_the_key_of_payloads_is_rotated_under_load_then_histories_of_before_and_after_are_read(
    juju, guarded, vault
):
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    identifier = vault.add('payloads', encryption_key=old)
    juju.grant_secret('payloads', APP)
    with _restarted(juju):
        juju.config(APP, {'encryption-secret-id': f'secret:{identifier}'})

    async def before() -> tuple[str, str]:
        client = encrypting(await guarded.admin(), old)
        ended, goes_on = await _greeted(client, 'ended'), await _greeted(client, 'somebody')
        assert await finish(ended) == 'hello ended'
        return ended.id, goes_on.id

    ended, goes_on = asyncio.run(before())

    async def writes_old() -> Client:
        return encrypting(await guarded.admin(), old, new)

    async def writes_new() -> Client:
        return encrypting(await guarded.admin(), new, old)

    with temporal.under_load(writes_old, QUEUE) as during:
        with _restarted(juju):
            vault.update('payloads', encryption_key=old, encryption_key_2=new)
        with _restarted(juju):
            vault.update('payloads', encryption_key=new, encryption_key_2=old)
    with temporal.under_load(writes_new, QUEUE) as afterwards:
        time.sleep(5)
    _all_ended_well(during)
    _all_ended_well(afterwards)

    async def after() -> str:
        plain = await guarded.admin()
        client = encrypting(plain, new, old)
        assert await finish(client.get_workflow_handle(goes_on, result_type=str)) == 'hello somebody'
        closed = client.get_workflow_handle(ended, result_type=str)
        assert await closed.result() == 'hello ended'
        # The worker reads that history from its beginning to answer.
        await closed.query('__stack_trace')
        return (await plain.get_workflow_handle(goes_on).fetch_history()).to_json()

    stored = asyncio.run(after())
    assert base64.b64encode(b'"hello somebody"').decode() not in stored
    for key in (old, new):
        assert base64.b64encode(Key(key).identifier).decode() in stored


def _certificate(authority: trustme.CA) -> dict[str, str]:
    own = authority.issue_cert('worker')
    return {
        'tls_client_certificate': own.cert_chain_pems[0].bytes().decode(),
        'tls_client_key': own.private_key_pem.bytes().decode(),
    }


def test_given_a_server_that_wants_certificates_then_the_status_leads_to_one_that_it_believes(
    juju, certified, authority, vault
):
    juju.config(APP, {'host': certified.address}, reset=['auth-provider', 'auth-secret-id'])
    wanted = f'{certified.address} wants a client certificate: set auth-provider=mtls and auth-secret-id'
    suite.wait_status(juju, APP, f'blocked: {wanted}')

    identifier = vault.add('certificate', **_certificate(trustme.CA()))
    juju.grant_secret('certificate', APP)
    juju.config(APP, {'auth-provider': 'mtls', 'auth-secret-id': f'secret:{identifier}'})
    refused = f'refuses the client certificate of secret:{identifier} (auth-secret-id): unknown ca: '
    suite.wait_status(juju, APP, f'blocked: {certified.address} {refused}')

    vault.update('certificate', **_certificate(authority))
    suite.wait_active(juju, APP)


def test_given_load_when_the_certificate_is_rotated_then_no_workflow_fails(juju, certified, authority, vault):
    key = juju.show_secret('payloads', reveal=True).content['encryption-key']

    async def client() -> Client:
        return encrypting(await certified.admin(), key)

    with temporal.under_load(client, QUEUE) as load, _restarted(juju):
        vault.update('certificate', **_certificate(authority))
    _all_ended_well(load)


def test_given_all_of_that_then_nothing_secret_was_shown_and_no_hook_failed(juju, vault):
    container = suite.CONTAINER[suite.WORKER]
    shown = {
        'plan and arguments': suite.pod_exec(
            juju, f'{APP}-0', container, '/charm/bin/pebble plan; cat /proc/[0-9]*/cmdline || true'
        ),
        'show-unit': juju.cli('show-unit', f'{APP}/0'),
        'config': juju.cli('config', APP),
        'log of the charm': juju.cli('debug-log', '--replay', '--no-tail'),
        'log of the worker': suite.kubectl(juju, 'logs', f'{APP}-0', f'--container={container}'),
    }
    # A certificate is none; of a key each line is.
    secret = [line for value in vault.values if 'CERTIFICATE' not in value for line in value.splitlines()]
    secret = [line for line in secret if '-----' not in line]
    assert len(secret) > 20
    for place, text in shown.items():
        assert not [line[:12] for line in secret if line in text], place
    assert suite.failed_hooks(juju, APP) == []
