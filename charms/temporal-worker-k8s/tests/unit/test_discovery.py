"""What the loader finds in installed code, and why it cannot run some."""

from __future__ import annotations

import pytest
from world import WORKFLOWS

from loader import discovery
from loader.wheels import CodeProblem


def test_given_installed_code_then_all_that_is_decorated_is_found_and_nothing_else(installed):
    name = installed(
        {
            'hello/__init__.py': '',
            'hello/work.py': WORKFLOWS,
            'hello/again.py': 'from hello.work import Hello, greet',
            'hello/__main__.py': 'raise SystemExit(1)',
            'hello/data-1/not_a_module.py': 'raise SystemExit(1)',
        }
    )

    code = discovery.find(name, (), ())

    assert set(code.workflows) == {'Hello'}
    assert set(code.activities) == {'greet', 'renamed'}


def test_given_names_then_only_these_are_taken_by_the_name_of_temporal_or_of_python(installed):
    name = installed({'hello/__init__.py': WORKFLOWS})

    code = discovery.find(name, ('Hello',), ('other',))

    assert (list(code.workflows), list(code.activities)) == (['Hello'], ['other'])


@pytest.mark.parametrize(
    ('files', 'workflows', 'activities', 'sentence'),
    [
        (
            {'hello/__init__.py': WORKFLOWS},
            ('Bye',),
            (),
            'workflows-file has no workflow named Bye (there is: Hello): change supported-workflows',
        ),
        (
            {'hello/__init__.py': WORKFLOWS},
            (),
            ('bye',),
            'workflows-file has no activity named bye (there is: greet, other, renamed): change supported-activities',
        ),
        (
            {'hello/__init__.py': ''},
            ('Hello',),
            (),
            'workflows-file has no workflow named Hello (there is: none): change supported-workflows',
        ),
        (
            {'hello/__init__.py': WORKFLOWS, 'hello/more.py': WORKFLOWS},
            (),
            (),
            'workflows-file has two workflows named Hello (hello, hello.more): rename one',
        ),
        (
            {'hello/__init__.py': 'x = 1'},
            (),
            (),
            'workflows-file has neither workflows nor activities: nothing in hello is decorated',
        ),
        (
            {'hello/__init__.py': 'import no_such_module'},
            (),
            (),
            "workflows-file cannot be imported: hello: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (
            {'hello/__init__.py': 'import sys; sys.exit(1)'},
            (),
            (),
            'workflows-file cannot be imported: hello: SystemExit: 1',
        ),
        (
            {'hello/__init__.py': 'raise ValueError'},
            (),
            (),
            'workflows-file cannot be imported: hello: ValueError: ',
        ),
    ],
)
def test_given_code_that_cannot_run_then_the_problem_is_named(installed, files, workflows, activities, sentence):
    name = installed(files)

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, workflows, activities)

    assert str(problem.value) == sentence


DYNAMIC = """
from collections.abc import Sequence
from temporalio import activity, workflow
from temporalio.common import RawValue

@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> None:
    pass

@workflow.defn(dynamic=True)
class Any:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None:
        pass
"""

METHOD = """
from temporalio import activity

class Greeter:
    @activity.defn
    def greet(self) -> None:
        pass
"""


def test_given_dynamic_code_then_it_is_found_by_the_name_of_python(installed):
    code = discovery.find(installed({'hello/__init__.py': DYNAMIC}), (), ())

    assert (list(code.workflows), list(code.activities)) == (['Any'], ['anything'])


def _called(number: int) -> str:
    """The same code under other names of Temporal's."""
    text = WORKFLOWS.replace('@workflow.defn', f"@workflow.defn(name='Hello{number}')")
    return text.replace('@activity.defn\n', f"@activity.defn(name='greet{number}')\n").replace(
        'renamed', f'other{number}'
    )


@pytest.mark.parametrize(
    ('workflows', 'activities', 'sentence'),
    [
        (
            ('Hello',),
            (),
            'workflows-file has several workflows that Python calls Hello (hello.one, hello.two): use the names of '
            'Temporal (Hello1, Hello2) in supported-workflows',
        ),
        (
            (),
            ('greet',),
            'workflows-file has several activities that Python calls greet (hello.one, hello.two): use the names of '
            'Temporal (greet1, greet2) in supported-activities',
        ),
    ],
)
def test_given_a_name_of_pythons_that_two_have_then_both_places_are_named(installed, workflows, activities, sentence):
    name = installed({'hello/__init__.py': '', 'hello/one.py': _called(1), 'hello/two.py': _called(2)})

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, workflows, activities)

    assert str(problem.value) == sentence
    assert set(discovery.find(name, ('Hello2',), ('greet1', 'other2')).workflows) == {'Hello2'}


def test_given_a_name_of_pythons_that_is_another_ones_for_temporal_then_temporals_holds(installed):
    name = installed({'hello/__init__.py': '', 'hello/one.py': WORKFLOWS, 'hello/two.py': _called(2)})

    code = discovery.find(name, ('Hello',), ())

    assert code.workflows['Hello'].__module__ == 'hello.one'


def test_given_both_names_of_one_activity_then_it_is_taken_once(installed):
    code = discovery.find(installed({'hello/__init__.py': WORKFLOWS}), (), ('other', 'renamed'))

    assert list(code.activities) == ['other']


def test_given_several_dynamic_ones_then_one_has_to_be_chosen(installed):
    name = installed({'hello/__init__.py': DYNAMIC, 'hello/more.py': DYNAMIC.replace('Any', 'Every')})

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, (), ('anything',))

    assert str(problem.value) == (
        'workflows-file has several dynamic workflows (Any, Every): keep one, or name one in supported-workflows'
    )


def test_given_an_activity_that_is_a_method_then_the_problem_says_why_it_cannot_run(installed):
    name = installed({'hello/__init__.py': WORKFLOWS.replace('def greet', 'def welcome'), 'hello/more.py': METHOD})

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, (), ('greet',))

    assert str(problem.value) == (
        'workflows-file has activity greet only as a method of Greeter, which cannot be run: '
        'change supported-activities'
    )


@pytest.mark.parametrize(
    ('decorator', 'module', 'sentence'),
    [
        (
            '@workflow.defn',
            'import random; random.random()',
            'sandbox refuses workflow Hello: RestrictedWorkflowAccessError',
        ),
        ('@workflow.defn(sandboxed=False)', 'import random; random.random()', ''),
        ('@workflow.defn', '', ''),
    ],
)
def test_given_a_workflow_when_validated_then_what_its_module_does_is_judged_by_the_sdk(
    installed, decorator, module, sentence
):
    text = f'{module}\n{WORKFLOWS}'.replace('@workflow.defn', decorator)
    code = discovery.find(installed({'hello/__init__.py': text}), (), ())

    if sentence:
        with pytest.raises(CodeProblem, match=sentence):
            discovery.validate(code.workflows)
    else:
        discovery.validate(code.workflows)
