"""A real Kafka broker and a real schema registry for tests and demonstrations: TLS, passwords, loopback, one folder.

Both are as a deployment has them: SASL_SSL with SCRAM-SHA-512, and HTTPS with basic authentication, under an authority
of their own. They can be killed and started again, and keep what they had.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from types import TracebackType

import trustme

from lab import commands, java
from lab.progress import LabError

USER = 'rocks'
"""Whom both let in."""

_BROKER_START = 'Kafka Server started'
_START = 90.0
_STOP = 15.0
_MEMORY = ('-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1')


def _port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Program:
    """A Java program with a folder, a log and an end.

    Args:
        folder: for everything that it writes.
        name: of its log.
    """

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder = folder
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> pathlib.Path:
        """What it has printed since it was started last."""
        return self.folder / f'{self._name}.log'

    def run(self, arguments: list[str], ready: Callable[[], bool]) -> None:
        """Start it and wait until it is ready.

        Raises:
            LabError: when it ends, or is not ready in time.
        """
        with self.log.open('wb') as log:
            self._process = subprocess.Popen(
                ['java', *_MEMORY, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + _START
        while not ready():
            if self._process.poll() is not None:
                raise LabError(f'{self._name} has ended', self.log)
            if time.monotonic() > end:
                self.stop()
                raise LabError(f'{self._name} is not ready after {_START:.0f} s', self.log)
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as its operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        os.kill(process.pid, number)
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Broker(Program):
    """Kafka: one node, SASL_SSL with SCRAM-SHA-512 for everybody.

    Args:
        folder: for everything that it writes.
        authority: signs its certificate.
        password: of `USER`.
        host: address to listen on, which is also the name that clients are told.
    """

    def __init__(self, folder: pathlib.Path, authority: trustme.CA, password: str, host: str = '127.0.0.1') -> None:
        super().__init__(folder, 'kafka')
        folder.mkdir(parents=True, exist_ok=True)
        self._jars = f'{java.ensure() / "kafka"}/*'
        self.address = f'{host}:{_port(host)}'
        self._properties = folder / 'server.properties'
        certificate = authority.issue_cert(host, 'localhost')
        store, trust = folder / 'keystore.pem', folder / 'authority.pem'
        chain = b''.join(blob.bytes() for blob in certificate.cert_chain_pems)
        store.write_bytes(_pkcs8(certificate.private_key_pem.bytes()) + chain)
        trust.write_bytes(authority.cert_pem.bytes())
        own = secrets.token_urlsafe(16)
        login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="broker" password="{own}";'
        controller = f'127.0.0.1:{_port("127.0.0.1")}'
        settings = {
            'process.roles': 'broker,controller',
            'node.id': 1,
            'controller.quorum.voters': f'1@{controller}',
            'controller.listener.names': 'CONTROLLER',
            'listeners': f'CLIENT://{self.address},CONTROLLER://{controller}',
            'advertised.listeners': f'CLIENT://{self.address}',
            'listener.security.protocol.map': 'CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT',
            'inter.broker.listener.name': 'CLIENT',
            'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
            'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
            'listener.name.client.scram-sha-512.sasl.jaas.config': login,
            'ssl.keystore.type': 'PEM',
            'ssl.keystore.location': store,
            'ssl.truststore.type': 'PEM',
            'ssl.truststore.location': trust,
            'log.dirs': folder / 'data',
            'offsets.topic.replication.factor': 1,
            'offsets.topic.num.partitions': 4,
            'transaction.state.log.replication.factor': 1,
            'transaction.state.log.min.isr': 1,
            'share.coordinator.state.topic.replication.factor': 1,
            'share.coordinator.state.topic.min.isr': 1,
            'group.initial.rebalance.delay.ms': 0,
            'auto.create.topics.enable': 'false',
            'log.cleaner.dedupe.buffer.size': 8388608,
        }
        self._properties.write_text(''.join(f'{name}={value}\n' for name, value in settings.items()))
        self._properties.chmod(0o600)
        users = [f'--add-scram=SCRAM-SHA-512=[name={name},password={word}]'
                 for name, word in (('broker', own), (USER, password))]  # fmt: skip
        tool = ['java', '-Xmx128m', '-cp', self._jars, 'kafka.tools.StorageTool']
        cluster = commands.output([*tool, 'random-uuid']).split()[-1]
        commands.output([*tool, 'format', '-t', cluster, '-c', str(self._properties), *users])

    def start(self) -> None:
        """Start it, again after it was stopped or killed."""
        # Without a configuration log4j writes errors only.
        program = ['-Dlog4j2.level=INFO', '-cp', self._jars, 'kafka.Kafka', str(self._properties)]
        self.run(program, lambda: _BROKER_START in self.log.read_text())


class Registry(Program):
    """Apicurio: HTTPS, basic authentication, kept in a file.

    Args:
        folder: for everything that it writes.
        authority: signs its certificate.
        password: of `USER`.
        host: address to listen on.
    """

    def __init__(self, folder: pathlib.Path, authority: trustme.CA, password: str, host: str = '127.0.0.1') -> None:
        super().__init__(folder, 'registry')
        folder.mkdir(parents=True, exist_ok=True)
        (self._jar,) = (java.ensure() / 'registry').glob('*-runner.jar')
        port = _port(host)
        self._place = f'{host}:{port}'
        self.url = f'https://{self._place}/apis/ccompat/v7'
        self._trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        certificate = authority.issue_cert(host, 'localhost')
        key, chain = folder / 'registry.key', folder / 'registry.crt'
        key.write_bytes(_pkcs8(certificate.private_key_pem.bytes()))
        chain.write_bytes(b''.join(blob.bytes() for blob in certificate.cert_chain_pems))
        settings = {
            'quarkus.http.host': host,
            'quarkus.http.insecure-requests': 'disabled',
            'quarkus.http.ssl-port': port,
            'quarkus.http.ssl.certificate.files': chain,
            'quarkus.http.ssl.certificate.key-files': key,
            'apicurio.datasource.url': f'jdbc:h2:file:{folder / "schemas"}',
            'quarkus.http.auth.basic': 'true',
            'quarkus.security.users.embedded.enabled': 'true',
            'quarkus.security.users.embedded.plain-text': 'true',
            f'quarkus.security.users.embedded.users.{USER}': password,
            f'quarkus.security.users.embedded.roles.{USER}': 'sr-admin',
            'quarkus.http.auth.permission.apis.paths': '/apis/*',
            'quarkus.http.auth.permission.apis.policy': 'authenticated',
        }
        self._properties = folder / 'registry.properties'
        self._properties.write_text(''.join(f'{name}={value}\n' for name, value in settings.items()))
        self._properties.chmod(0o600)

    def start(self) -> None:
        """Start it, again after it was stopped or killed."""
        self.run([f'-Dsmallrye.config.locations={self._properties}', '-jar', str(self._jar)], self._answers)

    def _answers(self) -> bool:
        # This it tells everybody.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)
        )
        try:
            with opener.open(f'https://{self._place}/health/ready', timeout=2) as response:
                return response.status == 200
        except OSError:
            return False


class Eventbus:
    """A broker and a registry, under one authority, with one user; `with` starts and stops them.

    Args:
        folder: for everything that they write.
        host: address to listen on.
    """

    def __init__(self, folder: pathlib.Path, host: str = '127.0.0.1') -> None:
        self.authority = trustme.CA()
        self.password = secrets.token_urlsafe(16)
        self.broker = Broker(folder / 'broker', self.authority, self.password, host)
        self.registry = Registry(folder / 'registry', self.authority, self.password, host)

    @property
    def ca(self) -> str:
        """The authority's certificate in PEM."""
        return self.authority.cert_pem.bytes().decode()

    def __enter__(self) -> Eventbus:
        try:
            self.broker.start()
            self.registry.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop both."""
        self.registry.stop()
        self.broker.stop()


def _pkcs8(key: bytes) -> bytes:
    """A private key in the form that Java reads."""
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
