"""A real Temporal server of one process, with TLS and authorisation by JWT where a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import trustme
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

SERVICES = ('frontend', 'history', 'matching')
"""Without the system's own workers, which would need a token."""


@dataclasses.dataclass(frozen=True)
class Tls:
    """Files of the frontend.

    Attributes:
        certificate: its own.
        key: of it.
        clients: the authority of its clients; None where it wants no client certificate.
    """

    certificate: pathlib.Path
    key: pathlib.Path
    clients: pathlib.Path | None = None


def certificates(folder: pathlib.Path, authority: trustme.CA, clients: trustme.CA | None) -> Tls:
    """The files of a frontend that has a certificate of one authority, and wants its clients' of another one."""
    leaf = authority.issue_cert('localhost')
    leaf.cert_chain_pems[0].write_to_path(str(folder / 'server.pem'))
    leaf.private_key_pem.write_to_path(str(folder / 'server.key'))
    if clients:
        clients.cert_pem.write_to_path(str(folder / 'clients.pem'))
    return Tls(folder / 'server.pem', folder / 'server.key', folder / 'clients.pem' if clients else None)


def client_tls(authority: trustme.CA) -> TLSConfig:
    """A client that has a certificate of an authority, which is the server's, too."""
    own = authority.issue_cert('admin')
    return TLSConfig(
        server_root_ca_cert=authority.cert_pem.bytes(),
        client_cert=own.cert_chain_pems[0].bytes(),
        client_private_key=own.private_key_pem.bytes(),
    )


def _ports(number: int, ip: str) -> list[int]:
    """Free ports; all are held until the last is found, so that no two are the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((ip, 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


def _configuration(folder: pathlib.Path, tls: Tls | None, keys: str, host: str, port: int) -> tuple[dict, int]:
    ip = socket.gethostbyname(host)
    ports = iter(_ports(2 * len(SERVICES), ip))
    services = {
        name: {'rpc': {'grpcPort': next(ports), 'membershipPort': next(ports), 'bindOnIP': ip}} for name in SERVICES
    }
    frontend = services['frontend']['rpc']['grpcPort'] = port or services['frontend']['rpc']['grpcPort']
    sql = {
        'pluginName': 'sqlite',
        'databaseName': str(folder / 'temporal.db'),
        'connectAddr': 'localhost',
        'connectProtocol': 'tcp',
        'connectAttributes': {'mode': 'memory', 'cache': 'private'},
        'maxConns': 1,
        'maxIdleConns': 1,
        'maxConnLifetime': '1h',
    }
    stores = {'default': {'sql': sql}, 'visibility': {'sql': sql}}
    secured = {}
    if tls:
        server = {'certFile': str(tls.certificate), 'keyFile': str(tls.key)}
        if tls.clients:
            server |= {'requireClientAuth': True, 'clientCaFiles': [str(tls.clients)]}
        secured['tls'] = {'frontend': {'server': server}}
    if keys:
        secured['authorization'] = {
            'jwtKeyProvider': {'keySourceURIs': [keys], 'refreshInterval': '1s'},
            'permissionsClaimName': 'permissions',
            'authorizer': 'default',
            'claimMapper': 'default',
        }
    address = f'{host}:{frontend}'
    return {
        'log': {'stdout': True, 'level': 'info'},
        'persistence': {
            'defaultStore': 'default',
            'visibilityStore': 'visibility',
            'numHistoryShards': 1,
            'datastores': stores,
        },
        'global': {'membership': {'maxJoinDuration': '30s', 'broadcastAddress': ip}, **secured},
        'services': services,
        'clusterMetadata': {
            'enableGlobalNamespace': False,
            'failoverVersionIncrement': 10,
            'masterClusterName': 'active',
            'currentClusterName': 'active',
            'clusterInformation': {
                'active': {
                    'enabled': True,
                    'initialFailoverVersion': 1,
                    'rpcName': 'frontend',
                    'rpcAddress': address,
                }
            },
        },
        'dcRedirectionPolicy': {'policy': 'noop'},
    }, frontend


@contextlib.contextmanager
def serve(
    folder: pathlib.Path, *, tls: Tls | None = None, keys: str = '', host: str = 'localhost', port: int = 0
) -> Iterator[str]:
    """Run a server; everything it knows is gone afterwards.

    Args:
        folder: for its files and its log.
        tls: of the frontend; None for none.
        keys: URL of the JWKS with which it believes tokens; empty where it believes everybody.
        host: where all of it listens; a name or an address of this machine.
        port: the frontend's; 0 for a free one.

    Yields:
        Its address, which answers once a client has waited for it.

    Raises:
        LookupError: when the program is not there.
    """
    program = shutil.which('temporal-server')
    if program is None:
        raise LookupError('there is no program temporal-server on the PATH: make env tells where the lab has built it')
    configuration, frontend = _configuration(folder, tls, keys, host, port)
    # The server reads YAML, of which JSON is a part.
    (folder / 'development.yaml').write_text(json.dumps(configuration))
    services = [f'--service={name}' for name in SERVICES]
    with (folder / 'server.log').open('wb') as log:
        command = [program, '--root', str(folder), '--config', '.', '--env', 'development', '--allow-no-auth', 'start']
        process = subprocess.Popen([*command, *services], stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            yield f'{host}:{frontend}'
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _register(client: Client) -> None:
    request = RegisterNamespaceRequest(namespace='default')
    request.workflow_execution_retention_period.FromSeconds(24 * 3600)
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


async def _connect(address: str, tls: TLSConfig | bool, metadata: dict[str, str]) -> Client:
    until = time.monotonic() + 60
    while True:
        try:
            client = await Client.connect(address, tls=tls, rpc_metadata=metadata)
            await _register(client)
            return client
        except (RuntimeError, RPCError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.3)


class Server:
    """A real server.

    Args:
        address: where it answers.
        tls: how it is spoken to.
        metadata: makes headers of somebody who may do everything.
    """

    def __init__(self, address: str, tls: TLSConfig | bool, metadata: Callable[[], dict[str, str]]):
        self.address = address
        self._tls, self._metadata = tls, metadata

    async def admin(self) -> Client:
        """A client that may do everything, once the server answers and has the namespace."""
        return await _connect(self.address, self._tls, self._metadata())
