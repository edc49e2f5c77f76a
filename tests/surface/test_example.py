"""The OCI Factory's example goes on to take the variables of the plan that it replaces."""

from __future__ import annotations

import modules

THEN = (
    'config_candid_private_key',
    'config_candid_public_key',
    'config_candid_url',
    'config_candid_username',
    'config_temporal_certificate',
    'config_temporal_host',
    'config_temporal_proxy',
    'config_temporal_queue',
    'config_temporal_workflows_file_path',
    'env_eventbus_consumer_password',
    'env_eventbus_consumer_username',
    'juju_application_channel',
    'juju_application_name',
    'juju_cloud_name',
    'oci-factory-model',
)
"""In canonical/oci-factory, tools/workflow-engine/charms/temporal-worker/variables.tf, in July 2026."""

SECRET = ('config_candid_private_key', 'env_eventbus_consumer_password', 'env_secrets')

EXAMPLE = modules.all_modules()['examples/oci-factory']


def test_given_the_example_then_it_takes_the_variables_of_the_plan_that_it_replaces():
    assert set(THEN) - EXAMPLE.named('variable').keys() == set()


def test_given_the_example_then_secrets_are_kept_neither_in_plans_nor_in_the_state():
    variables = EXAMPLE.named('variable')

    assert [
        name for name in SECRET if not (variables[name].get('ephemeral') and variables[name].get('sensitive'))
    ] == []
    assert [name for name, secret in EXAMPLE.resources('juju_secret').items() if 'value' in secret] == []


def test_given_the_example_then_its_readme_says_what_has_become_of_each_variable():
    text = (EXAMPLE.folder / 'README.md').read_text()
    table = text[text.index('What has become') : text.index('.env.template')].replace('config_candid_*', str(THEN))

    assert [name for name in THEN if name not in table] == []
