"""Real servers, with TLS and with authorisation, and the files that the charm would push."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator

import pytest
import temporal_server
import trustme
from identities import Issuer
from temporal_server import Server, certificates, client_tls
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


@pytest.fixture(scope='session')
def guarded(tmp_path_factory, authority: trustme.CA, issuer: Issuer) -> Iterator[Server]:
    """A server with TLS that believes the issuer's tokens alone."""
    folder = tmp_path_factory.mktemp('guarded')
    tls = TLSConfig(server_root_ca_cert=authority.cert_pem.bytes())
    with temporal_server.serve(folder, tls=certificates(folder, authority, None), keys=issuer.url) as address:
        yield Server(address, tls, lambda: {'authorization': f'Bearer {issuer.token("temporal-system:admin")}'})


@pytest.fixture(scope='session')
def certified(tmp_path_factory, authority: trustme.CA) -> Iterator[Server]:
    """A server that wants client certificates."""
    folder = tmp_path_factory.mktemp('certified')
    with temporal_server.serve(folder, tls=certificates(folder, authority, authority)) as address:
        yield Server(address, client_tls(authority), dict)


@pytest.fixture(scope='session')
def open_server(tmp_path_factory) -> Iterator[Server]:
    """A server that lets everybody in."""
    with temporal_server.serve(tmp_path_factory.mktemp('open')) as address:
        yield Server(address, False, dict)
