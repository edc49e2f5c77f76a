"""Installs wheels from a folder, and from an index what the folder lacks, if the operator names one."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping

from loader import wheels
from loader.wheels import CodeProblem

_PIP = ('install', '--quiet', '--no-cache-dir', '--disable-pip-version-check', '--no-input')
# Nothing is compiled: the image has no compiler, and building runs code that nobody has looked at.
_PATIENCE = ('--only-binary=:all:', '--retries=2', '--timeout=10')
_SILENT = 'WARNING: Retrying'
_FOR_PIP = re.compile(r'PIP_.+|(HTTPS?|NO)_PROXY|(https?|no)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE')


def install(
    wheel: pathlib.Path,
    folder: pathlib.Path,
    environment: pathlib.Path,
    *,
    index: str = '',
    variables: Mapping[str, str] | None = None,
) -> None:
    """Install a wheel and what it needs on top of what the image has.

    Where the folder has a `requirements.txt` with hashes, everything must match them, and nothing else is installed.

    Args:
        wheel: the workflows'.
        folder: of wheels; what it has is taken from nowhere else.
        environment: the virtual environment to make.
        index: URL of one like PyPI; without it, and without `PIP_INDEX_URL`, none is asked.
        variables: the code's, of which pip gets its own and the proxies; never by an argument.

    Raises:
        CodeProblem: when something it needs can be had nowhere, or does not match its hash; or when a program was
            killed.
    """
    command = [sys.executable, '-m', 'venv', '--without-pip', '--system-site-packages', environment]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        if error.returncode > 0:
            raise
        raise wheels.killed('venv', -error.returncode) from None
    for_pip = {name: value for name, value in (variables or {}).items() if _FOR_PIP.fullmatch(name)}
    if index:
        for_pip.setdefault('PIP_INDEX_URL', index)
    pip = _Pip(environment, for_pip)
    requirements = folder / wheels.REQUIREMENTS
    if requirements.exists() and '--hash' in requirements.read_text():
        pip.run('--find-links', folder, '--require-hashes', '-r', requirements)
        # What is not among them is not looked for.
        pip.run('--no-index', wheel, lacking=f'{wheels.REQUIREMENTS} in workflows-file has no hash for')
    else:
        # An index may have newer ones.
        constraints = folder / 'constraints.txt'
        constraints.write_text(''.join(f'{each}\n' for each in wheels.versions(folder)))
        pip.run('--find-links', folder, '--constraint', constraints, wheel)


class _Pip:
    def __init__(self, environment: pathlib.Path, variables: Mapping[str, str]):
        self._python = environment / 'bin/python'
        self._variables = variables

    def run(self, *arguments: str | pathlib.Path, lacking: str = '') -> None:
        online = 'PIP_INDEX_URL' in self._variables and '--no-index' not in arguments
        how = _PATIENCE if online else ('--no-index',)
        result = subprocess.run(
            [sys.executable, '-m', 'pip', '--python', self._python, *_PIP, *how, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **self._variables},
        )
        if result.returncode < 0:
            raise wheels.killed('pip', -result.returncode)
        if result.returncode:
            lacking = lacking or _lacking(result.stderr, online=online)
            raise _problem(result.stderr, lacking, passing=online and _SILENT in result.stderr)


def _lacking(output: str, *, online: bool) -> str:
    if not online:
        return 'workflows-file lacks a wheel for'
    if _SILENT in output:
        return (
            'the index does not answer (see index-url and the proxies of juju model-config), and workflows-file lacks'
        )
    if 'is not a trusted or secure host' in output:
        return 'the index has no https (PIP_TRUSTED_HOST in env-file trusts it all the same), and workflows-file lacks'
    if 'WARNING: 401 Error' in output:
        return 'the index refuses the user and password of PIP_INDEX_URL, and workflows-file lacks'
    return 'neither workflows-file nor the index has a wheel for'


def no_pip() -> CodeProblem:
    """The problem that the image cannot install anything."""
    return CodeProblem('temporal-worker-image has no pip', 'attach an image with Python, pip and temporalio')


def _problem(output: str, lacking: str, *, passing: bool) -> CodeProblem:
    """One sentence from what pip has written."""
    if 'No module named pip' in output:
        return no_pip()
    file = f'{wheels.REQUIREMENTS} in workflows-file'
    if match := re.search(r'DO NOT MATCH THE HASHES.*?^\s+(\S+?)(?:==\S+)? from ', output, re.DOTALL | re.MULTILINE):
        return CodeProblem(f'{match[1]} does not match its hash in {file}', 'attach the right one')
    if match := re.search(r'^\s+([\w.-]+)==\S+ --hash=', output, re.MULTILINE):
        return CodeProblem(f'{file} has no hash for {match[1]}: add it')
    if match := re.search(r'pinned with ==\. These do not:\s+(\S+)', output):
        return CodeProblem(f'{file} has no version and hash for {match[1]}: add them')
    errors = [line.removeprefix('ERROR: ') for line in output.splitlines() if line.startswith('ERROR: ')]
    for line in errors:
        if match := re.match(r'No matching distribution found for ([^ ;(]+)', line):
            return CodeProblem(f'{lacking} {match[1]}: add it to the archive', passing=passing)
    said = (errors or output.splitlines() or ['?'])[0]
    return CodeProblem(f'workflows-file cannot be installed: {said}', passing=passing)
