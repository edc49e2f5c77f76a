"""The Terraform modules stand in the form that `terraform fmt` gives them, by the library that it is made of."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from lab import packing, programs, settings

FILES = [
    path.relative_to(settings.ROOT)
    for path in packing.tracked(settings.ROOT)
    if path.is_relative_to(settings.ROOT / 'terraform') and path.suffix in ('.tf', '.hcl')
]


@pytest.mark.parametrize('path', FILES, ids=str)
def test_given_a_terraform_file_then_it_stands_in_the_usual_form(path: pathlib.Path):
    text = (settings.ROOT / path).read_text()

    formed = subprocess.run([programs.program('hclfmt')], input=text, capture_output=True, text=True)

    assert formed.returncode == 0, formed.stderr
    assert text == formed.stdout, f'{path}: terraform fmt {path}'


def test_given_the_modules_then_files_are_found():
    assert FILES
