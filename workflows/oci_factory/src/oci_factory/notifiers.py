"""Which channels there are to tell people by, and which of them the worker has settings for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from temporalio.exceptions import ApplicationError

from oci_factory import mail, mattermost, webhook
from oci_factory.telling import Notifier

_KNOWN = {'mail': mail, 'mattermost': mattermost, 'webhook': webhook}


def configured(environ: Mapping[str, str]) -> Mapping[str, Callable[[Mapping[str, str]], Notifier]]:
    """The channels of which at least one variable is set, by name."""
    return {
        name: module.load
        for name, module in _KNOWN.items()
        if any(environ.get(variable, '').strip() for variable in module.VARIABLES)
    }


def load(name: str, environ: Mapping[str, str]) -> Notifier:
    """A channel, ready to tell.

    Raises:
        ApplicationError: not to be retried: its settings are incomplete or wrong.
    """
    loaders = configured(environ)
    if name not in loaders:
        raise ApplicationError(
            f'{name} has no settings any more: give them to all workers', type='WrongSetting', non_retryable=True
        )
    return loaders[name](environ)
