#!/usr/bin/env python3
"""A script that an activity starts by its path; its helpers are no activities, and it needs what the wheel needs."""

import argparse
import json
import os

from stale_rocks.activities.consumer import settings

ROCKS = {'bind9': 'ubuntu:24.04', 'nginx': 'ubuntu:22.04', 'redis': 'ubuntu:24.04'}


def find_stale(release: str) -> list[str]:
    """The rocks that are built on a release."""
    return sorted(rock for rock, base in ROCKS.items() if base[-5:] == release[-5:])


def report(release: str) -> str:
    """What the script prints."""
    return json.dumps({'stale': find_stale(release), 'user': os.environ['OS_USERNAME'], 'login': settings.login()})


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('release')
    print(report(parser.parse_args().release))
