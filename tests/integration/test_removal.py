"""Taking the suite away leaves nothing behind, in whatever order, and the data stays for as long as PostgreSQL does."""

from __future__ import annotations

import contextlib
import json

import jubilant
import pytest
import suite
from postgres import sql

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

_OURS = (suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
_KINDS = (
    'all,persistentvolumeclaims,secrets,configmaps,ingresses,endpointslices,networkpolicies,'
    'serviceaccounts,roles,rolebindings'
)


def _left(juju: jubilant.Juju) -> set[str]:
    """Everything in the model's namespace but what Juju itself leaves there.

    Those are the accounts by which units spoke to the store of secrets, until their tokens run out, and, without any
    content, the object for the next revision of a secret that there never was.
    """
    found = set(suite.kubectl(juju, 'get', _KINDS, '--output=name').split())
    secrets = json.loads(suite.kubectl(juju, 'get', 'secrets', '--output=json'))['items']
    found -= {f'secret/{secret["metadata"]["name"]}' for secret in secrets if not secret.get('data')}
    return {name for name in found if '/juju-secret-consumer-' not in name}


@pytest.fixture(scope='module')
def empty(juju: jubilant.Juju) -> set[str]:
    """What stands in the namespace of an empty model, once Juju's own agent of the model is there."""
    suite.wait_until(lambda: any('pod/modeloperator' in name for name in _left(juju)), "the model's agent is there")
    suite.kubectl(juju, 'wait', '--for=condition=Available', 'deployment/modeloperator', '--timeout=120s')
    return _left(juju)


@pytest.fixture
def deployed(juju: jubilant.Juju, empty: set[str]) -> None:
    """Server, databases and admin tools."""
    suite.deploy_server(juju, databases='current')
    suite.wait_active(juju)


def _remove(juju: jubilant.Juju, *apps: str) -> None:
    juju.remove_application(*apps, destroy_storage=True)
    juju.wait(
        lambda status: not set(apps) & set(status.apps),
        error=lambda status: jubilant.any_error(status) and bool(suite.failed_hooks(juju, *status.apps)),
        timeout=300,
        successes=1,
        delay=0.5,
    )


def _databases(juju: jubilant.Juju) -> list[str]:
    return sql(juju, 'postgres', "SELECT datname FROM pg_database WHERE datname LIKE '%temporal%' ORDER BY 1").split()


def _check_nothing_left(juju: jubilant.Juju, empty: set[str]) -> None:
    assert juju.status().apps == {}
    assert juju.secrets() == []
    with contextlib.suppress(AssertionError):
        suite.wait_until(lambda: not _left(juju) - empty, 'Kubernetes has taken everything away', timeout=90)
    assert _left(juju) == empty
    assert suite.failed_hooks(juju, *_OURS) == []


def test_given_the_suite_when_server_and_admin_tools_and_database_are_removed_then_nothing_is_left(
    juju, empty, deployed
):
    before = _databases(juju)
    assert len(before) == 2

    _remove(juju, suite.SERVER)
    suite.wait_status(juju, suite.ADMIN, 'blocked: no server')
    _remove(juju, suite.ADMIN)

    # Nobody is related any more: the users are gone, the data is not.
    assert _databases(juju) == before
    assert {sql(juju, name, 'SELECT count(*) > 0 FROM schema_version') for name in before} == {'t'}
    assert sql(juju, 'postgres', "SELECT rolname FROM pg_roles WHERE rolname LIKE 'relation_id_%'") == ''
    assert {secret.owner for secret in juju.secrets()} <= {suite.POSTGRESQL}

    _remove(juju, suite.POSTGRESQL)
    _check_nothing_left(juju, empty)


@pytest.mark.parametrize(
    'order',
    [
        ((suite.POSTGRESQL,), (suite.ADMIN,), (suite.SERVER,)),
        ((suite.ADMIN,), (suite.SERVER,), (suite.POSTGRESQL,)),
        (_OURS,),
    ],
    ids=['database first', 'admin tools first', 'all at once'],
)
def test_given_the_suite_when_removed_in_another_order_then_nothing_is_left(juju, empty, deployed, order):
    for apps in order:
        _remove(juju, *apps)

    _check_nothing_left(juju, empty)


def test_given_a_removed_server_when_it_is_deployed_again_then_it_has_its_data(juju, empty, deployed):
    suite.register_namespace(juju)
    _remove(juju, suite.SERVER)

    suite.deploy_charm(juju, suite.SERVER)
    for endpoint in ('database', 'visibility-database'):
        juju.integrate(f'{suite.SERVER}:{endpoint}', f'{suite.POSTGRESQL}:database')
    juju.integrate(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
    suite.wait_active(juju)

    listed = juju.run(f'{suite.ADMIN}/0', 'cli', {'args': 'operator namespace list'}).results['output']
    assert 'default' in listed
    _remove(juju, suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
    _check_nothing_left(juju, empty)


def test_given_clients_and_an_ingress_when_the_server_is_removed_then_they_say_so_and_go_as_well(
    juju, empty, deployed, tmp_path
):
    suite.deploy_nginx(juju)
    juju.integrate(f'{suite.SERVER}:nginx-route', f'{suite.NGINX}:nginx-route')
    suite.deploy_pulse(juju, tmp_path)
    juju.add_unit(suite.SERVER, num_units=2)
    suite.wait_active(juju)

    _remove(juju, suite.SERVER)
    suite.wait_status(juju, 'pulse', 'blocked: no server')
    suite.wait_status(juju, suite.NGINX, 'waiting: waiting for relation')

    _remove(juju, suite.NGINX, 'pulse', suite.ADMIN, suite.POSTGRESQL)
    _check_nothing_left(juju, empty)
