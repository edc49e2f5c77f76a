"""Kafka in its container: formatted, started, asked whether it answers. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
import time

import ops
from ops import pebble

OPERATOR = 'operator'
"""The charm's own super user, on the loopback listener only."""

OWN_PORT, _CONTROLLER_PORT = 19092, 9097
_PORTS = {False: 9092, True: 9093}

_DATA = '/var/lib/kafka/data'
_LOGS = f'{_DATA}/logs'
_KEYS = f'{_DATA}/keys.p12'
_CONFIG = '/etc/kafka/server.properties'
_LIBRARIES = '/opt/kafka/libs/*'
_SERVICE = 'kafka'

_FORMAT = f"""
tool() {{ java -Xmx128m -cp '{_LIBRARIES}' kafka.tools.StorageTool "$@"; }}
tool format --config {_CONFIG} --cluster-id "$(tool random-uuid | tail -n 1)"
"""
_RUN = f"java -Xms64m -Xmx512m -XX:+UseSerialGC -Dlog4j2.level=INFO -cp '{_LIBRARIES}' kafka.Kafka {_CONFIG}"
# The certificate is its own authority: clients that are told of it trust it.
_MAKE_KEYS = f"""
[ -e {_KEYS} ] || {{
  rm -f {_KEYS}.new
  keytool -genkeypair -alias kafka -keyalg EC -groupname secp256r1 -validity 3650 -dname CN=kafka \\
    -ext SAN="$NAMES" -ext BC:critical=ca:true -storetype PKCS12 -keystore {_KEYS}.new -storepass:env KEYS_PASSWORD >&2
  mv {_KEYS}.new {_KEYS}
}}
keytool -exportcert -rfc -alias kafka -keystore {_KEYS} -storepass:env KEYS_PASSWORD
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the broker is started with.

    Attributes:
        host: the name that clients are told.
        tls: whether they are to speak TLS.
        password: of OPERATOR.
        admins: other super users.
    """

    host: str
    tls: bool
    password: str = dataclasses.field(repr=False)
    admins: tuple[str, ...] = ()

    @property
    def port(self) -> int:
        """Where clients are let in: the real charm has a port for each way to log in."""
        return _PORTS[self.tls]

    def properties(self) -> str:
        """Kafka's configuration."""
        modules = 'org.apache.kafka.common.security'
        own = f'{modules}.plain.PlainLoginModule required'
        own += f' username="{OPERATOR}" password="{self.password}" user_{OPERATOR}="{self.password}";'
        controller = f'127.0.0.1:{_CONTROLLER_PORT}'
        lines = {
            'process.roles': 'broker,controller',
            'node.id': 100,
            'controller.quorum.voters': f'100@{controller}',
            'controller.listener.names': 'CONTROLLER',
            'listeners': f'CLIENT://:{self.port},OWN://127.0.0.1:{OWN_PORT},CONTROLLER://{controller}',
            'advertised.listeners': f'CLIENT://{self.host}:{self.port},OWN://127.0.0.1:{OWN_PORT}',
            'listener.security.protocol.map': f'CLIENT:{"SASL_SSL" if self.tls else "SASL_PLAINTEXT"}'
            ',OWN:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT',
            'inter.broker.listener.name': 'OWN',
            'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
            'sasl.mechanism.inter.broker.protocol': 'PLAIN',
            'sasl.mechanism.controller.protocol': 'PLAIN',
            'listener.name.client.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
            'listener.name.client.scram-sha-512.sasl.jaas.config': f'{modules}.scram.ScramLoginModule required;',
            'listener.name.own.sasl.enabled.mechanisms': 'PLAIN',
            'listener.name.own.plain.sasl.jaas.config': own,
            'listener.name.controller.sasl.enabled.mechanisms': 'PLAIN',
            'listener.name.controller.plain.sasl.jaas.config': own,
            'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
            'super.users': ';'.join(f'User:{name}' for name in (OPERATOR, *self.admins)),
            # As the real charm has it: who may do so makes the topics.
            'allow.everyone.if.no.acl.found': 'false',
            'auto.create.topics.enable': 'false',
            'log.dirs': _LOGS,
            # One broker has no other to copy to.
            'default.replication.factor': 1,
            'offsets.topic.replication.factor': 1,
            'offsets.topic.num.partitions': 4,
            'transaction.state.log.replication.factor': 1,
            'transaction.state.log.min.isr': 1,
            'share.coordinator.state.topic.replication.factor': 1,
            'share.coordinator.state.topic.min.isr': 1,
            'log.cleaner.dedupe.buffer.size': 8388608,
        }
        if self.tls:
            lines |= {
                'listener.name.client.ssl.keystore.type': 'PKCS12',
                'listener.name.client.ssl.keystore.location': _KEYS,
                'listener.name.client.ssl.keystore.password': self.password,
            }
        return ''.join(f'{key}={value}\n' for key, value in lines.items())


class Broker:
    """The container `kafka`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def start(self, settings: Settings) -> str:
        """Start it, or let it take up new settings by a restart, and wait until it answers.

        Returns:
            Its certificate, PEM; empty without TLS.

        Raises:
            TimeoutError: when it does not answer within two minutes.
        """
        self._run('install', '-d', '-o', 'kafka', '-g', 'kafka', '-m', '0700', _DATA)
        properties = settings.properties()
        self._container.push(_CONFIG, properties, user='kafka', group='kafka', permissions=0o600, make_dirs=True)
        certificate = ''
        if settings.tls:
            names = ','.join(f'dns:{name}' for name in (settings.host, 'localhost'))
            certificate = self._script(_MAKE_KEYS, NAMES=names, KEYS_PASSWORD=settings.password)
        if not self._container.exists(f'{_LOGS}/meta.properties'):
            self._script(_FORMAT)
        self._container.add_layer(_SERVICE, _layer(hashlib.sha256(properties.encode()).hexdigest()[:12]), combine=True)
        self._container.replan()
        if not self.answers(within=120):
            raise TimeoutError('Kafka does not answer')
        return certificate

    def answers(self, within: float) -> bool:
        """Whether it takes connections.

        Args:
            within: seconds that it may take until it does.
        """
        end = time.monotonic() + within
        while True:
            try:
                # The container has the charm's network.
                socket.create_connection(('127.0.0.1', OWN_PORT), timeout=1).close()
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.1)
            else:
                return True

    def _script(self, text: str, **environment: str) -> str:
        return self._run('sh', '-eu', stdin=text, user='kafka', environment=environment)

    def _run(
        self,
        *command: str,
        stdin: str | None = None,
        user: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> str:
        process = self._container.exec(list(command), stdin=stdin, user=user, environment=environment, timeout=120)
        return process.wait_output()[0]


def _layer(key: str) -> pebble.LayerDict:
    return {
        'services': {
            _SERVICE: {
                'override': 'replace',
                'summary': 'Kafka',
                'command': _RUN,
                'startup': 'enabled',
                'user': 'kafka',
                'group': 'kafka',
                # What it is configured with takes effect by a restart.
                'environment': {'RESTART_KEY': key},
                'kill-delay': '20s',
            }
        },
        'checks': {
            'up': {
                'override': 'replace',
                'level': 'ready',
                'period': '2s',
                'threshold': 2,
                'tcp': {'port': OWN_PORT},
            }
        },
    }
