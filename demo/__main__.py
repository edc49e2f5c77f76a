"""The story: deploy the suite, publish a base image on Kafka, show which rebuilds came of it.

Without the lab there is no Kafka: the workflow is started by a client then.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jubilant

from demo.terminal import DemoError, Terminal, table

if TYPE_CHECKING:
    from demo.events import Events

_ROOT = pathlib.Path(__file__).parent.parent
_DIST = _ROOT / 'dist'
_MARK = _DIST / '.demo-model'
_RELEASE, _SERIES = '24.04', 'noble'
_QUEUE = 'oci-factory'
_TIMEOUT = 600


def _images() -> dict[str, str]:
    path = _DIST / 'resources.env'
    if not path.exists():
        raise DemoError('dist/resources.env is missing: make images, or write it as docs/how-to/microk8s.md says')
    return dict(line.split('=', 1) for line in path.read_text().splitlines() if '=' in line)


class Story:
    """The demo's state: the terminal, the model, the images."""

    def __init__(self, terminal: Terminal, model: str):
        self.terminal = terminal
        self.model = model
        self.images = _images()
        self.juju = jubilant.Juju(model=model)
        self.events: Events | None = None

    def resource(self, name: str) -> str:
        """The part of a command line that names an image."""
        return f'--resource {name}={self.images[name]}'

    def forget_earlier_run(self) -> None:
        """Destroy the model of the demo's last run; a model of that name that is not the demo's is left alone."""
        listing = subprocess.run(['juju', 'models', '--format=json'], capture_output=True, text=True)
        if listing.returncode != 0:
            raise DemoError('juju has no controller: run make up, or with LAB=none bootstrap one')
        found = {m['short-name']: m['model-uuid'] for m in json.loads(listing.stdout)['models']}
        if self.model not in found:
            return
        if not _MARK.exists() or _MARK.read_text() != found[self.model]:
            raise DemoError(f'there is a model {self.model} that the demo has not made: run make demo MODEL=OTHER')
        self.terminal.say('the model of the last run goes first')
        self.terminal.type(f'juju destroy-model {self.model} --no-prompt --force --no-wait --destroy-storage')

    def add_model(self) -> None:
        """Make the model, and remember that it is the demo's."""
        self.terminal.type(f'juju add-model {self.model}')
        shown = json.loads(subprocess.check_output(['juju', 'show-model', self.model, '--format=json'], text=True))
        _MARK.write_text(shown[self.model]['model-uuid'])

    def wait(self, *applications: str) -> None:
        """Show how the statuses change until all are active."""
        seen: dict[str, str] = {}

        def ready(status: jubilant.Status) -> bool:
            for name, app in status.apps.items():
                text = f'{app.app_status.current} {app.app_status.message}'.strip()
                if seen.get(name) != text:
                    seen[name] = text
                    print(f'  {time.strftime("%H:%M:%S")} {name}: {text}', flush=True)
            return jubilant.all_active(status, *applications)

        try:
            self.juju.wait(ready, timeout=_TIMEOUT, successes=1, delay=0.5)
        except TimeoutError:
            raise DemoError(f'{", ".join(applications)} not active after {_TIMEOUT} s: see juju status') from None

    def deploy_server(self) -> None:
        """PostgreSQL, the server and the admin tools."""
        typed = self.terminal.type
        typed(f'juju deploy ./dist/temporal-k8s.charm {self.resource("temporal-server-image")}')
        typed(f'juju deploy ./dist/postgresql-k8s.charm postgresql-k8s --trust {self.resource("postgresql-image")}')
        typed('juju relate temporal-k8s:db postgresql-k8s:db')
        typed('juju relate temporal-k8s:visibility postgresql-k8s:db')
        typed(f'juju deploy ./dist/temporal-admin-k8s.charm {self.resource("temporal-admin-image")}')
        typed('juju relate temporal-k8s:admin temporal-admin-k8s:admin')
        self.wait('temporal-k8s', 'temporal-admin-k8s', 'postgresql-k8s')
        self.terminal.done('database, server and admin tools deployed')

    def register_namespace(self) -> None:
        """Where the workflows live."""
        self.terminal.type('juju run temporal-admin-k8s/0 tctl args="--ns default namespace register -rd 3"')
        self.terminal.done('namespace registered')

    def deploy_ingress(self) -> None:
        """nginx, configured as the real integrator wants it over this relation."""
        typed = self.terminal.type
        typed(f'juju deploy ./dist/nginx-ingress-integrator.charm {self.resource("nginx-image")}')
        typed('juju relate temporal-k8s:ingress nginx-ingress-integrator:ingress')
        typed('juju config nginx-ingress-integrator path-routes=/ service-hostname=temporal-k8s backend-protocol=GRPC')
        self.wait('nginx-ingress-integrator')
        self.terminal.done('ingress deployed')

    def deploy_stand_ins(self) -> None:
        """GitHub, the registry and the store of build metadata, for as long as the demo may not use the real ones."""
        manifest = _DIST / 'stand-ins.yaml'
        template = (_ROOT / 'tests' / 'oci_factory' / 'stand_ins' / 'pod.yaml').read_text()
        manifest.write_text(string.Template(template).safe_substitute(IMAGE=self.images['oci-factory-stand-ins']))
        self.terminal.type(f'kubectl --namespace {self.model} apply -f dist/stand-ins.yaml')
        self.terminal.type(
            f'kubectl --namespace {self.model} wait --for=condition=Ready pod/oci-factory-stand-ins --timeout=120s'
        )
        base = 'http://oci-factory-stand-ins:8080'
        lines = [
            f'OCI_FACTORY_RELEASES={base}/github',
            f'OCI_FACTORY_BUILDS={base}/builds',
            f'OCI_FACTORY_REGISTRY={base}/registry',
            f'OCI_FACTORY_GITHUB={base}/github',
            'GITHUB_TOKEN=stand-in-token',
        ]
        if self.events:
            lines += self.events.environment()
        (_DIST / 'demo.env').write_text('\n'.join(lines) + '\n')
        self.terminal.done('stand-ins for GitHub, registry and metadata started')

    @contextlib.contextmanager
    def on_event_bus(self) -> Iterator[None]:
        """Kafka and a schema registry for as long as the body runs, where there is the lab."""
        if os.environ.get('LAB') == 'none':
            yield
            return
        from demo import events
        from lab.progress import LabError

        self.terminal.say('Kafka and a schema registry, with TLS and passwords')
        with contextlib.ExitStack() as stack:
            try:
                self.events = stack.enter_context(events.Events(_DIST / 'kafka'))
            except LabError as error:
                raise DemoError(str(error)) from error
            self.terminal.done('Kafka and its schema registry started')
            yield

    def deploy_worker(self) -> None:
        """The OCI Factory's workflows."""
        typed = self.terminal.type
        typed(
            f'juju deploy ./dist/temporal-worker-k8s.charm {self.resource("temporal-worker-image")} '
            '--resource workflows-file=dist/oci-factory.tar --resource env-file=dist/demo.env '
            f'--config queue={_QUEUE}' + self._consume()
        )
        typed('juju relate temporal-worker-k8s:temporal-host-info temporal-k8s:temporal-host-info')
        self.wait('temporal-worker-k8s')
        self.terminal.done('worker deployed')

    def _consume(self) -> str:
        """What the worker is to consume, as a part of a command line."""
        if not self.events:
            return ''
        from demo.events import GROUP, TOPIC

        return f' --config consume={TOPIC}@{GROUP}'

    def rebuild(self) -> dict:
        """Let a message start the workflow, and wait for its end, from outside the cluster, through the ingress."""
        if self.events:
            self.terminal.say(f'a message on Kafka: a base image of {_SERIES}, which is {_RELEASE}, has been published')
            told = f'--id rebuild-{self.events.publish(_SERIES)}'
        else:
            told = f'{_RELEASE} --id rebuild-{_RELEASE}-{int(time.time())}'
        address = self.juju.status().apps['nginx-ingress-integrator'].address
        self.terminal.say(f'a client outside the cluster, for which temporal-k8s is {address}, as DNS would have it')
        line = (
            f'demo/with-name temporal-k8s {address} {os.path.relpath(sys.executable)} -m demo.client {told} '
            f'--address temporal-k8s:80 --queue {_QUEUE}'
        )
        print(f'$ {line}', flush=True)
        result = subprocess.run(line.split(), capture_output=True, text=True, env=os.environ)
        if result.returncode != 0:
            raise DemoError(f'the workflow failed: {(result.stderr.strip().splitlines() or ["no message"])[-1]}')
        self.terminal.done('workflow run')
        return json.loads(result.stdout)

    def show(self, report: dict) -> None:
        """Tables: what took how long, what was found and dispatched, how to look further."""
        self.terminal.type('juju status --relations')
        print()
        table(('step', 'seconds'), [(part, f'{seconds:.1f}') for part, seconds in self.terminal.parts])
        print(f'\nRebuilds for Ubuntu {report["release"]}:\n')
        rows = []
        for image in report['images']:
            if not image['uploads'] and not image['error']:
                continue
            channels = [
                f'{track} ({", ".join(entry["risks"])})'
                for upload in image['uploads']
                for track, entry in upload['release'].items()
            ]
            fate = image['error'] or ('dispatched' if image['dispatched'] else 'not dispatched')
            rows.append((image['image'], '; '.join(channels), fate, image['external_ref_id']))
        table(('image', 'tracks and risks', 'rebuild', 'reference at GitHub'), rows)
        looked, noted = len(report['images']), sum(len(image['notes']) for image in report['images'])
        print(f'\n{looked} images were looked at; {noted} remarks on odd or expired ones are in the result.')
        references = (
            image['external_ref_id'].removesuffix(f'/{image["image"]}')
            for image in report['images']
            if image['external_ref_id']
        )
        workflow = next(references, '')
        print(
            '\nTo look further:\n'
            f'  eval "$(make -s env)"; juju switch {self.model}; juju status\n'
            f'  juju run temporal-admin-k8s/0 cli args="workflow show --workflow-id {workflow}"\n'
            '  make down'
        )


def main() -> None:
    """Tell the story; a failure is one sentence on standard error and exit status 1."""
    terminal = Terminal()
    os.chdir(_ROOT)
    model = os.environ.get('MODEL', 'temporal')
    os.environ['JUJU_MODEL'] = model
    try:
        story = Story(terminal, model)
        story.forget_earlier_run()
        story.add_model()
        terminal.done('model added')
        story.deploy_server()
        story.register_namespace()
        story.deploy_ingress()
        with story.on_event_bus():
            story.deploy_stand_ins()
            story.deploy_worker()
            story.show(story.rebuild())
    except DemoError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()
