"""Prepares an OpenStack for the tests as its people would: users and projects of Keystone, containers of Swift."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import time
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3

_DOMAIN = 'Default'
_CACHED = 15.0
"""Seconds for which Swift does not ask Keystone again about a token (token_cache_time)."""


@dataclasses.dataclass(frozen=True)
class Login:
    """A user in a project, all by their names."""

    user: str
    password: str
    project: str

    def environment(self, keystone: str) -> dict[str, str]:
        """The variables that a worker is given.

        Args:
            keystone: base URL.
        """
        return {
            'OS_AUTH_URL': keystone,
            'OS_USERNAME': self.user,
            'OS_PASSWORD': self.password,
            'OS_PROJECT_NAME': self.project,
        }


class OpenStack:
    """Keystone with its administrator, and Swift.

    Args:
        swift: base URL.
        keystone: base URL, with its version.
        password: of the user `admin`.
    """

    def __init__(self, swift: str, keystone: str, password: str) -> None:
        self.swift, self.keystone = swift, keystone
        self._admin = self._session(Login('admin', password, 'admin'))
        self._projects: dict[str, str] = {}

    def add_user(self, login: Login, role: str) -> None:
        """Make a user, in a project that is made if it is not there.

        Args:
            login: of the user.
            role: the user's, there: `reader` or `member`.
        """
        if login.project not in self._projects:
            self._projects[login.project] = self._make('project', {'name': login.project})
        user = self._make('user', {'name': login.user, 'password': login.password})
        roles = self._admin.get(f'{self.keystone}/roles', params={'name': role}).json()['roles']
        grant = f'projects/{self._projects[login.project]}/users/{user}/roles/{roles[0]["id"]}'
        self._admin.put(f'{self.keystone}/{grant}')

    def change_password(self, user: str, password: str) -> None:
        """Give a user a password, be it another one; it ends the user's tokens."""
        found = self._admin.get(f'{self.keystone}/users', params={'name': user}).json()['users']
        self._admin.patch(f'{self.keystone}/users/{found[0]["id"]}', json={'user': {'password': password}})
        # Keystone counts in whole seconds: what it gives in this one has ended, too.
        time.sleep(1.5)

    def revoke(self, login: Login) -> None:
        """End a user's tokens, and wait until Swift knows."""
        self.change_password(login.user, login.password)
        time.sleep(_CACHED)

    def account(self, project: str) -> str:
        """The URL below which a project's containers are."""
        return f'{self.swift}/v1/AUTH_{self._projects[project]}'

    def fill(self, container: str, login: Login, objects: Mapping[str, str], *, public: bool = False) -> None:
        """Make a container and put objects into it.

        Args:
            container: its name.
            login: a member's of the project.
            objects: name to content.
            public: whether everybody may list and read it.
        """
        session, url = self._session(login), f'{self.account(login.project)}/{container}'
        session.put(url, headers={'X-Container-Read': '.r:*,.rlistings'} if public else {})
        # As one archive, which Swift unpacks: it looks only once whether the container is there.
        answer = session.put(
            url, params={'extract-archive': 'tar'}, headers={'Accept': 'application/json'}, data=_archive(objects)
        ).json()
        assert (answer['Errors'], answer['Number Files Created']) == ([], len(objects)), answer

    def _session(self, login: Login) -> session.Session:
        auth = v3.Password(
            auth_url=self.keystone,
            username=login.user,
            password=login.password,
            project_name=login.project,
            user_domain_name=_DOMAIN,
            project_domain_name=_DOMAIN,
        )
        return session.Session(auth=auth)

    def _make(self, kind: str, properties: Mapping[str, Any]) -> str:
        """Make something in Keystone; its identifier."""
        body = {kind: {**properties, 'domain_id': _DOMAIN.lower()}}
        return self._admin.post(f'{self.keystone}/{kind}s', json=body).json()[kind]['id']


def _archive(objects: Mapping[str, str]) -> bytes:
    """An archive of tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w') as archive:
        for name, content in objects.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()
