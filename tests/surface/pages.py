"""What is made from the charms' and the modules' own files, and written anew by `python tests/surface/pages.py`.

A page of docs/reference/ and the outputs.tf of a charm's module are made as a whole; of a module's README, the tables
between two marks.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import modules
from surface import ROOT, Surface, charms

RENEW = 'lab/bin/uv run --quiet --frozen --all-packages --group unit python tests/surface/pages.py'
"""What rewrites them."""

BEGIN = '<!-- from the module: tests/surface/pages.py -->'
END = '<!-- end -->'

_SIDES = {'provides': 'provides', 'requires': 'requires', 'peers': 'among its units'}


def _cell(text: object) -> str:
    """A text as one cell of a table."""
    return re.sub(r'\s+', ' ', str(text)).strip().replace('|', r'\|')


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names, rows = list(head), list(rows)
    if not rows:
        return 'None.'
    lines = [names, ['---'] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _default(value: object) -> str:
    if value is None or value == '':
        return ''
    return f'`{str(value).lower() if isinstance(value, bool) else value}`'


def _type(parameter: Mapping[str, Any]) -> str:
    kind = str(parameter.get('type', ''))
    if choices := parameter.get('enum'):
        return f'{kind}: {", ".join(map(str, choices))}'
    lowest, highest = parameter.get('minimum'), parameter.get('maximum')
    return f'{kind}, {lowest} to {highest}' if lowest is not None else kind


def _action(charm: Surface, name: str) -> Iterator[str]:
    action = charm.actions[name]
    yield f'### {name}'
    yield str(action['description']).strip()
    if parameters := charm.parameters(name):
        needed = action.get('required', [])
        yield _table(
            ('parameter', 'type', 'default', 'description'),
            (
                (f'`{key}`', _type(value), 'required' if key in needed else _default(value.get('default')), description)
                for key, value in parameters.items()
                for description in [value.get('description', '')]
            ),
        )


def reference(charm: Surface) -> str:
    """A charm's page in docs/reference/."""
    parts = [
        f'# {charm.name}',
        "<!-- made from the charm's own files by tests/surface/pages.py -->",
        str(charm.charm['description']).strip(),
        f'Juju: {", ".join(_assumption(item) for item in charm.charm["assumes"])}. Base: {charm.charm["base"]}.',
        '## Endpoints',
        _table(
            ('endpoint', 'side', 'interface', 'limit', 'description'),
            (
                (f'`{name}`', text, f'`{end["interface"]}`', end.get('limit', ''), end.get('description', ''))
                for side, text in _SIDES.items()
                for name, end in charm.endpoints(side).items()
            ),
        ),
        '## Resources',
        _table(
            ('resource', 'type', 'description'),
            ((f'`{name}`', value['type'], value.get('description', '')) for name, value in charm.resources.items()),
        ),
        '## Options',
        _table(
            ('option', 'type', 'default', 'description'),
            (
                (f'`{name}`', value['type'], _default(value.get('default')), value['description'])
                for name, value in charm.options.items()
            ),
        ),
        '## Actions',
        *([part for name in charm.actions for part in _action(charm, name)] or ['None.']),
    ]
    return '\n\n'.join(parts) + '\n'


def _assumption(item: object) -> str:
    return f'`{item}`' if isinstance(item, str) else f'`{_cell(item)}`'


def tables(module: modules.Module) -> str:
    """A module's variables and outputs, as they stand in its README."""
    variables = (
        (
            f'`{name}`',
            f'`{kind(variable)}`',
            'required' if 'default' not in variable else f'`{_value(variable["default"])}`',
            variable['description'],
        )
        for name, variable in module.named('variable').items()
    )
    outputs = ((f'`{name}`', output['description']) for name, output in module.named('output').items())
    return '\n\n'.join(
        [
            BEGIN,
            _table(('variable', 'type', 'default', 'description'), variables),
            _table(('output', 'description'), outputs),
            END,
        ]
    )


def kind(variable: Mapping[str, Any]) -> str:
    """A variable's type; objects without their attributes, which the variable's file has."""
    return re.sub(r'object\(\{.*\}\)', 'object', str(variable['type']).removeprefix('${').removesuffix('}'))


def _value(default: object) -> str:
    return json.dumps(default, ensure_ascii=False)


def readme(module: modules.Module) -> str:
    """A module's README with the tables as they should be; as it is where it has no marks."""
    text = (module.folder / 'README.md').read_text()
    return re.sub(f'{re.escape(BEGIN)}.*?{re.escape(END)}', lambda _: tables(module), text, flags=re.DOTALL)


_OUTPUTS = """\
# Made from the charm's own files by tests/surface/pages.py.

output "application" {{
  description = "The application, as the provider describes it"
  value       = {application}
}}

output "provides" {{
  description = "Endpoints that others can require"
  value = {provides}
}}

output "requires" {{
  description = "Endpoints that want a provider"
  value = {requires}
}}
"""


def outputs(charm: Surface, module: modules.Module) -> str:
    """The outputs.tf of a charm's module, in the form that `terraform fmt` gives it."""
    (application,) = module.resources('juju_application')
    sides = {side: _endpoints(charm.endpoints(side)) for side in ('provides', 'requires')}
    text = _OUTPUTS.format(application=application, **sides)
    # Where a value takes one line only, `terraform fmt` aligns it with the line above.
    return text.replace('value = {}', 'value       = {}')


def _endpoints(names: Iterable[str]) -> str:
    keys = {name.replace('-', '_'): name for name in names}
    width = max(map(len, keys), default=0)
    lines = [f'    {key.ljust(width)} = "{name}"\n' for key, name in sorted(keys.items())]
    return f'{{\n{"".join(lines)}  }}' if lines else '{}'


def made() -> dict[pathlib.Path, str]:
    """Every file with made parts, as it should be."""
    pages = {ROOT / 'docs' / 'reference' / f'{name}.md': reference(charm) for name, charm in charms().items()}
    for name, module in modules.all_modules().items():
        if name in charms():
            pages[module.folder / 'outputs.tf'] = outputs(charms()[name], module)
        if (module.folder / 'README.md').exists():
            pages[module.folder / 'README.md'] = readme(module)
    return pages


if __name__ == '__main__':
    for page, text in made().items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
