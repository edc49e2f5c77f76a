"""Kafka's users and what they may do, changed as the operator, over Kafka's own protocol."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from broker import OPERATOR, OWN_PORT
from relations import Rule

_SECONDS = 30.0
_ROUNDS = 4096


class Accounts:
    """The users of a broker that answers.

    Args:
        password: of the operator.
    """

    def __init__(self, password: str):
        self._admin = AdminClient(
            {
                'bootstrap.servers': f'127.0.0.1:{OWN_PORT}',
                'security.protocol': 'SASL_PLAINTEXT',
                'sasl.mechanism': 'PLAIN',
                'sasl.username': OPERATOR,
                'sasl.password': password,
                'log_level': 3,
            }
        )

    def users(self) -> set[str]:
        """Who can log in, besides the operator."""
        # One future for all of them, unless some are named.
        described: Any = self._admin.describe_user_scram_credentials(request_timeout=_SECONDS)
        return set(described.result(_SECONDS))

    def let_in(self, user: str, password: str) -> None:
        """Make a user, or give it another password."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ROUNDS)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self._change(change)

    def keep_out(self, user: str) -> None:
        """Remove a user and all that it may do; one that is gone already may be listed for some moments."""
        self.allow(user, set())
        try:
            self._change(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.RESOURCE_NOT_FOUND:
                raise

    def _change(self, change: UserScramCredentialAlteration) -> None:
        for done in self._admin.alter_user_scram_credentials([change], request_timeout=_SECONDS).values():
            done.result(_SECONDS)

    def allow(self, user: str, rules: set[Rule]) -> None:
        """Let a user do this and nothing else."""
        wanted = {_binding(user, rule) for rule in rules}
        anything: Any = None
        everything = AclBindingFilter(
            ResourceType.ANY, anything, ResourcePatternType.ANY, f'User:{user}', anything, AclOperation.ANY,
            AclPermissionType.ANY,
        )  # fmt: skip
        found = set(self._admin.describe_acls(everything, request_timeout=_SECONDS).result(_SECONDS))
        changes = []
        if new := wanted - found:
            changes += self._admin.create_acls([*new], request_timeout=_SECONDS).values()
        if stale := [_exactly(binding) for binding in found - wanted]:
            changes += self._admin.delete_acls(stale, request_timeout=_SECONDS).values()
        for done in changes:
            done.result(_SECONDS)


def _binding(user: str, rule: Rule) -> AclBinding:
    return AclBinding(
        getattr(ResourceType, rule.kind),
        rule.name,
        ResourcePatternType.PREFIXED if rule.prefix else ResourcePatternType.LITERAL,
        f'User:{user}',
        '*',
        getattr(AclOperation, rule.operation),
        AclPermissionType.ALLOW,
    )


def _exactly(binding: AclBinding) -> AclBindingFilter:
    """A filter that nothing but one binding passes."""
    parts: list[Any] = [binding.restype, binding.name, binding.resource_pattern_type, binding.principal, binding.host,
                        binding.operation, binding.permission_type]  # fmt: skip
    return AclBindingFilter(*parts)
