"""What the worker charm knows: one frozen type per source, read once per hook, validated."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import ops
from ops import pebble
from temporal_charms import host_info, turns
from temporal_charms.admin import Frontend
from temporal_charms.secret_cache import SecretCache
from temporal_charms.workload import read

from authentication import Authentication
from command import Command
from encryption import Encryption
from integrations import Integrations
from loader.layout import PREPARED, SETTINGS, Prepared, Settings
from loader.standing import FILE, Standing
from options import Config, address
from standing_options import Options
from variables import Secrets, Variables

T = TypeVar('T')

CONTAINER = SERVICE = 'temporal-worker'


@dataclasses.dataclass(frozen=True)
class Server:
    """The server to work for, by relation or by option.

    Attributes:
        related: the application of the relation; empty where there is none.
        frontend: where the server answers; None until that is known.
        grant: what it has said of the namespace that this application asks for.
    """

    related: str = ''
    frontend: Frontend | None = None
    grant: host_info.Grant = dataclasses.field(default_factory=host_info.Grant)

    @classmethod
    def load(cls, model: ops.Model, config: Config, *, certified: bool) -> Server:
        """Read the relation `temporal-host-info`; without one, the option is the answer.

        Args:
            model: Juju's.
            config: the options.
            certified: whether the worker has a client certificate.
        """
        access = config.access
        relation = next((r for r in model.relations['temporal-host-info'] if r.active and r.app), None)
        if relation is None:
            return cls(frontend=access.secure(address(config.host), certified=certified))
        told = relation.data[relation.app]
        frontend = access.secure(host_info.load(told), certified=certified)
        return cls(relation.app.name, frontend, host_info.Grant.load(told))


@dataclasses.dataclass(frozen=True)
class Resource:
    """A file that the operator has attached.

    Attributes:
        path: where Juju has put it; None where nothing is attached.
        key: changes with the file; not with its content alone, but a file is attached anew far more rarely than a hook
            runs, and reading 40 MB in each would double its cost.
        trouble: why Juju cannot hand over what may be attached; empty where it could, or nothing is.
    """

    path: pathlib.Path | None = None
    key: str = ''
    trouble: str = ''

    @classmethod
    def load(cls, model: ops.Model, name: str) -> Resource:
        """Ask Juju for the file; an empty one counts as none, since Juju cannot detach a resource."""
        try:
            path = model.resources.fetch(name)
        except NameError:
            return cls()
        except ops.ModelError as error:
            words = str(error).strip()
            # The words of all of Juju's versions, where nothing is attached; the latter while a client still sends it.
            if any(absent in words for absent in ('not found', 'not uploaded yet')):
                return cls()
            return cls(trouble=words.rpartition(': ')[2][:80] or 'no reason given')
        stat = path.stat()
        return cls(path, f'{stat.st_size}-{stat.st_mtime_ns}') if stat.st_size else cls()


@dataclasses.dataclass(frozen=True)
class Code:
    """The container, what the loader has said of the code, and what of it runs.

    Attributes:
        reachable: whether Pebble answers.
        prepared: the loader's last result.
        due: whether it is time for another try, where that is a problem that may pass by itself.
        running: the worker's service as Pebble runs it now; None if it does not.
        told: what was last told a worker that comes as a wheel; None if nothing was.
        keeps: whether it was last told to keep something running on the server.
    """

    reachable: bool = False
    prepared: Prepared = dataclasses.field(default_factory=Prepared)
    due: bool = True
    running: pebble.Service | None = None
    told: Settings | None = None
    keeps: bool = False

    @classmethod
    def load(cls, container: ops.Container) -> Code:
        """Look into the container; one that goes away meanwhile is as good as none."""
        try:
            return cls._look(container) if container.can_connect() else cls()
        except pebble.ConnectionError:
            return cls()

    @classmethod
    def _look(cls, container: ops.Container) -> Code:
        text = read(container, PREPARED)
        prepared = Prepared.load(text) if text else Prepared()
        services = container.get_services(SERVICE)
        running = SERVICE in services and services[SERVICE].is_running()
        return cls(
            True,
            prepared,
            time.time() >= prepared.again,
            container.get_plan().services.get(SERVICE) if running else None,
            _told(read(container, SETTINGS), Settings.load),
            not (_told(read(container, FILE), Standing.load) or Standing()).empty,
        )


def _told(text: str | None, load: Callable[[str], T]) -> T | None:
    """What stands in a file; one that another revision has left says nothing."""
    try:
        return load(text) if text else None
    except (ValueError, KeyError, TypeError):
        return None


@dataclasses.dataclass(frozen=True)
class Health:
    """What the worker answers now.

    Attributes:
        polling: whether the server sees its pollers.
        problem: what it waits for, or what is wrong.
        operator: whether a person has to do something about it.
        restarts: how often it has noticed that it was stuck, and was started anew; since the container started.
        reason: when and why the last time.
        standing: the key of what the server has been brought to keep running; empty where it is not, or nothing is.
        trouble: why not.
        troubles_operator: whether a person has to do something about it.
        warning: what will keep it from working unless somebody looks after it.
    """

    polling: bool
    problem: str = ''
    operator: bool = False
    restarts: int = 0
    reason: str = ''
    standing: str = ''
    trouble: str = ''
    troubles_operator: bool = False
    warning: str = ''


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The model's `juju-http-proxy` and its like, by the names under which programs look for them."""
    names = ('HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY')
    return {name: value for name in names if (value := environ.get(f'JUJU_CHARM_{name}', '').strip())}


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything the planner decides from.

    Attributes:
        app: this application's name.
        leader: whether this unit speaks for it.
        env_file: what `variables` are read from.
        proxies: the model's, by the names of variables; their URLs may hold passwords.
        asked: what the units have told each other about restarting.
        health: what a worker that runs answers; asked only where there are several units.
    """

    app: str
    leader: bool
    config: Config
    command: Command
    standing: Options
    server: Server
    workflows: Resource
    env_file: Resource
    integrations: Integrations
    variables: Variables
    secrets: Secrets
    authentication: Authentication
    encryption: Encryption
    proxies: Mapping[str, str]
    code: Code
    asked: turns.Asked
    health: Health = dataclasses.field(default_factory=lambda: Health(False))

    @property
    def withheld(self) -> str:
        """What of the attached files Juju cannot hand over now, and why; empty for nothing."""
        files = {'workflows-file': '' if self.command.words else self.workflows.trouble}
        files['env-file'] = self.env_file.trouble
        return ', '.join(f'{name} ({trouble})' for name, trouble in files.items() if trouble)

    @property
    def given(self) -> dict[str, str]:
        """The operator's own variables; secrets are stronger than the file, and both than related applications."""
        return {**self.integrations.values, **self.variables.values, **self.secrets.values}

    @property
    def own(self) -> dict[str, str]:
        """The variables that the operator gives by options and their secrets, without their prefixes."""
        return {**self.authentication.variables, **self.encryption.variables, **self.config.sentry.variables}

    @classmethod
    def load(cls, charm: ops.CharmBase, secrets: SecretCache, *, anew: bool) -> Facts:
        """Read every source once.

        Args:
            charm: knows Juju.
            secrets: remembers what secrets held.
            anew: whether to ask Juju for them all the same.
        """
        app = charm.app.name
        config = Config.load(charm.config, app)
        env_file = Resource.load(charm.model, 'env-file')
        identity = Authentication.load(charm.model, config.access, app, secrets, anew=anew)
        return cls(
            app=app,
            leader=charm.unit.is_leader(),
            config=config,
            command=Command.load(charm.config, app),
            standing=Options.load(charm.config, app, charm.model.uuid),
            server=Server.load(charm.model, config, certified=bool(identity.certificate)),
            workflows=Resource.load(charm.model, 'workflows-file'),
            integrations=Integrations.load(charm.model, charm.config, secrets, anew=anew),
            env_file=env_file,
            variables=Variables.load(env_file.path, app),
            proxies=_proxies(os.environ),
            secrets=Secrets.load(charm.model, config.secrets, app, secrets, anew=anew),
            authentication=identity,
            encryption=Encryption.load(charm.model, config.access, identity.content, app, secrets, anew=anew),
            code=Code.load(charm.unit.get_container(CONTAINER)),
            asked=turns.Asked.load(charm.model, charm.model.get_relation('peer')),
        )
