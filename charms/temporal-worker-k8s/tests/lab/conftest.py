"""Real servers, with TLS and with authorisation, and the files that the charm would push."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator

import pytest
import temporal_server
import trustme
from identities import Issuer
from temporal_server import Server, Tls
from temporalio.service import TLSConfig

from loader import layout


@pytest.fixture(scope='session')
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope='session')
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        yield server


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pushes files as the charm does; they are empty at first."""

    def push(**content: str) -> None:
        (tmp_path / 'CREDENTIALS').write_text(json.dumps(content))

    for name in ('CREDENTIALS', 'KEYS', 'ENVIRONMENT'):
        (tmp_path / name).write_text('{}')
        monkeypatch.setattr(layout, name, str(tmp_path / name))
    return push


def _written(folder: pathlib.Path, authority: trustme.CA, *, clients: bool) -> Tls:
    leaf = authority.issue_cert('localhost')
    leaf.cert_chain_pems[0].write_to_path(str(folder / 'server.pem'))
    leaf.private_key_pem.write_to_path(str(folder / 'server.key'))
    authority.cert_pem.write_to_path(str(folder / 'clients.pem'))
    return Tls(folder / 'server.pem', folder / 'server.key', folder / 'clients.pem' if clients else None)


@pytest.fixture(scope='session')
def guarded(tmp_path_factory, authority: trustme.CA, issuer: Issuer) -> Iterator[Server]:
    """A server with TLS that believes the issuer's tokens alone."""
    folder = tmp_path_factory.mktemp('guarded')
    tls = TLSConfig(server_root_ca_cert=authority.cert_pem.bytes())
    with temporal_server.serve(folder, tls=_written(folder, authority, clients=False), keys=issuer.url) as address:
        yield Server(address, tls, lambda: {'authorization': f'Bearer {issuer.token("temporal-system:admin")}'})


@pytest.fixture(scope='session')
def certified(tmp_path_factory, authority: trustme.CA) -> Iterator[Server]:
    """A server that wants client certificates."""
    folder = tmp_path_factory.mktemp('certified')
    own = authority.issue_cert('admin')
    tls = TLSConfig(
        server_root_ca_cert=authority.cert_pem.bytes(),
        client_cert=own.cert_chain_pems[0].bytes(),
        client_private_key=own.private_key_pem.bytes(),
    )
    with temporal_server.serve(folder, tls=_written(folder, authority, clients=True)) as address:
        yield Server(address, tls, dict)


@pytest.fixture(scope='session')
def open_server(tmp_path_factory) -> Iterator[Server]:
    """A server that lets everybody in."""
    with temporal_server.serve(tmp_path_factory.mktemp('open')) as address:
        yield Server(address, False, dict)
