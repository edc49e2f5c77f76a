"""Each juju command in a page names actions, parameters, options, resources and endpoints that the charms have."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable

import pytest
from commands import Command, commands
from surface import ROOT, Surface, charms

OTHERS = ('postgresql-k8s', 'nginx-ingress-integrator', 'kafka-k8s', 'rabbitmq-k8s', 's3-integrator')
"""Applications of other teams' charms: only what they are related to is looked at."""

COMMANDS = tuple(commands())


def of(verb: str) -> list[Command]:
    return [command for command in COMMANDS if command.verb == verb]


def meant(application: str) -> list[Surface]:
    """The charms that an application in a page may be: its own, or any where the page gives it another name."""
    name = application.split('/')[0]
    if name in OTHERS:
        return []
    return [charms()[name]] if name in charms() else list(charms().values())


def fail(command: Command, what: str, candidates: Iterable[Surface], there: Iterable[str]) -> None:
    names = ' and '.join(charm.name for charm in candidates)
    pytest.fail(f'{command}\nnames {what}, which {names} does not have; what there is: {", ".join(sorted(there))}')


def check(command: Command, application: str, name: str, what: str, of_charm) -> None:
    """That at least one of the charms which an application may be has the name.

    Args:
        command: where it stands.
        application: as it stands there.
        name: what is looked for; one in capitals stands for any.
        what: its kind, for the message.
        of_charm: gives the names of a charm.
    """
    candidates = meant(application)
    if not candidates or re.fullmatch(r'[A-Z][A-Z_-]*|\.\.\.', name):
        return
    if not any(name in of_charm(charm) for charm in candidates):
        fail(command, f'{what} {name}', candidates, {entry for charm in candidates for entry in of_charm(charm)})


@pytest.mark.parametrize('command', of('run'), ids=str)
def test_given_a_page_that_runs_an_action_then_the_charm_has_it_and_its_parameters(command):
    application, action, *parameters = command.plain
    if action == 'ACTION' or not meant(application):
        return

    check(command, application, action, 'the action', lambda charm: charm.actions)

    having = [charm for charm in meant(application) if action in charm.actions]
    for parameter in parameters:
        key = parameter.split('=')[0]
        if not any(key in charm.parameters(action) for charm in having):
            fail(command, f'the parameter {key}', having, {k for charm in having for k in charm.parameters(action)})


@pytest.mark.parametrize('command', of('config'), ids=str)
def test_given_a_page_that_sets_an_option_then_the_charm_has_it(command):
    application, *settings = command.plain

    for setting in [*settings, *command.values('--reset')]:
        for name in setting.split('=')[0].split(','):
            check(command, application, name, 'the option', lambda charm: charm.options)


@pytest.mark.parametrize('command', of('deploy'), ids=str)
def test_given_a_page_that_deploys_a_charm_then_it_has_the_options_and_resources(command):
    charm, *_ = command.plain
    name = re.sub(r'.*/|\.charm$|_.*', '', charm)

    for setting in command.values('--config'):
        check(command, name, setting.split('=')[0], 'the option', lambda charm: charm.options)
    for resource in command.values('--resource'):
        check(command, name, resource.split('=')[0], 'the resource', lambda charm: charm.resources)


@pytest.mark.parametrize('command', of('attach-resource'), ids=str)
def test_given_a_page_that_attaches_a_resource_then_the_charm_has_it(command):
    application, *resources = command.plain

    for resource in resources:
        check(command, application, resource.split('=')[0], 'the resource', lambda charm: charm.resources)
        name, _, given = resource.partition('=')
        wanted = {charm.resources[name].get('filename', '') for charm in meant(application) if name in charm.resources}
        endings = {pathlib.PurePath(file).suffix for file in wanted if file}
        if endings and pathlib.PurePath(given).suffix:
            assert pathlib.PurePath(given).suffix in endings, (
                f'{command}\nJuju takes a file that ends in {endings} only'
            )


@pytest.mark.parametrize('command', of('integrate'), ids=str)
def test_given_a_page_that_relates_two_applications_then_both_have_the_endpoint_and_one_interface(command):
    ends = [end.partition(':') for end in command.plain[:2]]

    interfaces = []
    for application, _, endpoint in ends:
        check(command, application, endpoint, 'the endpoint', _endpoints)
        found = {_endpoints(charm)[endpoint] for charm in meant(application) if endpoint in _endpoints(charm)}
        interfaces += [found] if found else []
    if len(interfaces) == 2:
        assert interfaces[0] & interfaces[1], f'{command}\nrelates {interfaces[0]} with {interfaces[1]}'


def _endpoints(charm: Surface) -> dict[str, str]:
    sides = {**charm.endpoints('provides'), **charm.endpoints('requires')}
    return {name: end['interface'] for name, end in sides.items()}


def test_given_the_pages_then_commands_are_found_in_them():
    assert {'run', 'config', 'deploy', 'attach-resource', 'integrate'} <= {command.verb for command in COMMANDS}


def test_given_the_readme_then_it_lists_all_pages():
    text = (ROOT / 'README.md').read_text()

    wanted = {str(path.relative_to(ROOT)) for path in ROOT.glob('docs/*/*.md') if path.parent.name != 'reference'}

    missing = wanted - set(re.findall(r'\]\(([^)]+)\)', text))

    assert not missing, f'README.md does not list {sorted(missing)}'
