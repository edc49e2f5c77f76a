"""What the workflow code uses besides Temporal's server: which applications are related, and what they have told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import ops
from temporal_charms import amqp, external_service, kafka_client, postgresql_client, s3
from temporal_charms.secret_cache import SecretCache, identifier
from temporal_charms.secret_text import is_binary

import integration_variables as variables
from integration_options import ENDPOINTS, EXTERNAL, Options

_USUAL = {
    'database': 'postgresql-k8s:database',
    's3': 's3-integrator:s3-credentials',
    'kafka': 'kafka-k8s:kafka-client',
    'amqp': 'rabbitmq-k8s:amqp',
    EXTERNAL: 'external-service-integrator:external-service',
}
"""Whom operators mostly integrate with."""


@dataclasses.dataclass(frozen=True)
class Integration:
    """A relation to an application that the code uses.

    Attributes:
        name: the endpoint, or the external service as its provider calls it; empty until that is said.
        endpoint: of this application.
        relation: Juju's number.
        application: at the other end.
        values: variable to value; empty until everything is there.
        refused: identifier of a secret that cannot be read; empty where there is none.
    """

    name: str
    endpoint: str
    relation: int
    application: str
    values: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    refused: str = ''

    @property
    def ready(self) -> bool:
        """Whether everything is there."""
        return bool(self.values)

    def serves(self, name: str) -> bool:
        """Whether this is what a name in `required-integrations` means."""
        if name in ENDPOINTS:
            return self.endpoint == name
        return self.endpoint == EXTERNAL and variables.word(self.name) == variables.word(name)


@dataclasses.dataclass(frozen=True)
class Integrations:
    """All of them.

    Attributes:
        found: those that are related.
        required: names without which the code is not to run.
        requests: endpoint to what the application says there.
        problem: what is wrong with the options, or with what was told.
    """

    found: tuple[Integration, ...] = ()
    required: tuple[str, ...] = ()
    requests: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    problem: str = ''

    @classmethod
    def load(cls, model: ops.Model, raw: Mapping[str, object], secrets: SecretCache, *, anew: bool) -> Integrations:
        """Read the options, the relations, and the secrets that they name.

        Args:
            model: Juju's.
            raw: the options.
            secrets: remembers what secrets held.
            anew: whether to ask Juju for them all the same, which alone notices that one is gone.
        """
        options = Options.load(raw, model.name, model.app.name)

        def ask(uri: str) -> Mapping[str, str]:
            return secrets.get(uri, lambda: model.get_secret(id=uri).get_content(), anew=anew)

        found = tuple(_load(relation, options.broker, ask) for relation in _related(model))
        return cls(found, options.required, options.requests, options.problem or _clash(found, model.app.name))

    @property
    def values(self) -> dict[str, str]:
        """Their variables."""
        return {name: value for each in self.found for name, value in each.values.items()}

    @property
    def comes(self) -> bool:
        """Whether one can become ready without Juju telling: it sends no event when a secret is granted."""
        return any(each.refused for each in self.found)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is required and not there."""
        return tuple(name for name in self.required if not any(each.ready and each.serves(name) for each in self.found))

    def status(self, app: str) -> ops.StatusBase:
        """What to do about what is missing; what only a person can mend comes first.

        Args:
            app: this application's name.
        """
        awaited = {name: self._awaited(name) for name in self.missing}
        if unrelated := [name for name in self.missing if awaited[name] is None]:
            remedies = '; '.join(_remedy(name, app) for name in unrelated)
            return ops.BlockedStatus(f'required and not there: {", ".join(unrelated)}: {remedies}')
        sentences = [_waiting(name, each, app) for name, each in awaited.items() if each]
        return ops.WaitingStatus(f'waiting for {", and for ".join(sentences)}')

    def _awaited(self, name: str) -> Integration | None:
        """What is to become a missing one; a service that has not said its name yet may be any."""
        known = next((each for each in self.found if each.serves(name)), None)
        nameless = (each for each in self.found if each.endpoint == EXTERNAL and not variables.word(each.name))
        return known if known or name in ENDPOINTS else next(nameless, None)


def secret_uris(model: ops.Model) -> set[str]:
    """The secrets in which related applications hand over what the code needs."""
    return {uri for relation in _related(model) for uri in _secret_uris(relation)}


def _related(model: ops.Model) -> Iterator[ops.Relation]:
    """All of them, always in one order; ops leaves out the one whose relation-broken is run."""
    for endpoint in (*ENDPOINTS, EXTERNAL):
        yield from sorted(model.relations[endpoint], key=lambda relation: relation.id)


def _secret_uris(relation: ops.Relation) -> list[str]:
    contracts = {'database': postgresql_client, 's3': s3, 'kafka': kafka_client, EXTERNAL: external_service}
    contract = contracts.get(relation.name)
    return contract.secret_uris(relation) if contract else []


def _load(relation: ops.Relation, broker: amqp.Request, ask: Callable[[str], Mapping[str, str]]) -> Integration:
    refused: list[str] = []

    def secret(uri: str) -> Mapping[str, str]:
        try:
            return ask(uri)
        except ops.ModelError:
            refused.append(identifier(uri))
            raise

    name, values = relation.name, {}
    if relation.name == EXTERNAL:
        service = external_service.Service.load(relation.data[relation.app])
        name, credentials = service.name, external_service.credentials(service, secret)
        if variables.word(name) and service.url and credentials is not None:
            values = variables.external(service, credentials)
    else:
        values = _values(relation, broker, secret)
    return Integration(name, relation.name, relation.id, relation.app.name, values, refused[0] if refused else '')


def _values(relation: ops.Relation, broker: amqp.Request, secret: Callable[[str], Mapping[str, str]]) -> dict[str, str]:
    """The variables; none until everything is there."""
    if relation.name == 'database':
        database = postgresql_client.database(relation, secret)
        return variables.database(database) if database else {}
    if relation.name == 's3':
        bucket = s3.bucket(relation, secret)
        return variables.s3(bucket) if bucket else {}
    if relation.name == 'kafka':
        kafka = kafka_client.kafka(relation, secret)
        return variables.kafka(kafka) if kafka else {}
    rabbitmq = amqp.broker(relation, broker)
    return variables.amqp(rabbitmq) if rabbitmq else {}


def _clash(found: tuple[Integration, ...], app: str) -> str:
    """Two that give one variable, or a value that none can have."""
    givers: dict[str, Integration] = {}
    for each in found:
        for variable, value in each.values.items():
            if is_binary(value):
                return f'{each.application} gives {variable} binary data, which no variable can have: mend it there'
            other = givers.setdefault(variable, each)
            if other is not each:
                return (
                    f'{other.application} and {each.application} both give {variable}: give one of the services '
                    f'another name, or juju remove-relation {app} {each.application}'
                )
    return ''


def _remedy(name: str, app: str) -> str:
    endpoint = name if name in ENDPOINTS else EXTERNAL
    command = f'juju integrate {app}:{endpoint} {_USUAL[endpoint]}'
    return command if name in ENDPOINTS else f'{command}, with name={name} there'


def _waiting(name: str, each: Integration, app: str) -> str:
    if each.refused:
        return f'{each.application} to let {app} read secret:{each.refused} ({name})'
    return f'{each.application} to provide {name}'
