"""Where errors of the workflow code are reported: the options for Sentry, by the names of Canonical's charm."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

_DSN = re.compile(r'https?://[^\s/@]+@[^\s/@]+(/[^\s/]+)*/\d+')


@dataclasses.dataclass(frozen=True)
class Sentry:
    """The options, valid or with a problem.

    Attributes:
        dsn: address of the project; empty for no reports.
        release: which version of the code runs.
        environment: which deployment it is.
        sample_rate: which part of the errors is reported, 0 to 1.
        redact: whether values of variables are left out.
        problem: what is wrong with them.
    """

    dsn: str = ''
    release: str = ''
    environment: str = ''
    sample_rate: float = 1.0
    redact: bool = False
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Sentry:
        """Read and check the options."""
        rate = raw['sentry-sample-rate']
        found = cls(
            dsn=str(raw['sentry-dsn']).strip(),
            release=str(raw['sentry-release']).strip(),
            environment=str(raw['sentry-environment']).strip(),
            sample_rate=rate if isinstance(rate, int | float) else 1.0,
            redact=bool(raw['sentry-redact-params']),
        )
        problem = ''
        if found.dsn and not _DSN.fullmatch(found.dsn):
            problem = f'sentry-dsn must be like https://KEY@HOST/PROJECT: juju config {app} --reset sentry-dsn'
        elif not 0 <= found.sample_rate <= 1:
            problem = f'sentry-sample-rate must be 0 to 1: juju config {app} sentry-sample-rate=1'
        return dataclasses.replace(found, problem=problem)

    @property
    def settings(self) -> dict[str, str | float | bool]:
        """What the loader takes; empty where nothing is reported."""
        if not self.dsn:
            return {}
        return {
            'dsn': self.dsn,
            'release': self.release,
            'environment': self.environment,
            'sample_rate': self.sample_rate,
            'redact': self.redact,
        }

    @property
    def variables(self) -> dict[str, str]:
        """Variables for code that reports by itself, by the names of Canonical's options, without their prefixes."""
        if not self.dsn:
            return {}
        return {
            'SENTRY_DSN': self.dsn,
            'SENTRY_RELEASE': self.release,
            'SENTRY_ENVIRONMENT': self.environment,
            'SENTRY_SAMPLE_RATE': str(self.sample_rate),
            'SENTRY_REDACT_PARAMS': str(self.redact).lower(),
        }
