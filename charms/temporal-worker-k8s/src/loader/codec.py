"""Encrypts what workflows and activities are given and return, so that the server keeps what it cannot read.

Two forms, told apart by their metadata; in both, what is encrypted is a serialised Payload:

- AES-GCM, as Temporal's samples write it: `encoding: binary/encrypted`, `encryption-key-id`; nonce (12 bytes) and
  ciphertext with its tag (16).
- AES-EAX, as workers with Canonical's temporal-lib-py write it: `encoding: binary/encrypted` alone; nonce (16), tag
  (16) and ciphertext.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

_ENCODING, _KEY_ID = 'encoding', 'encryption-key-id'
_ENCRYPTED = b'binary/encrypted'
_GCM_NONCE, _BLOCK = 12, 16


class Undecipherable(Exception):
    """No key of this worker decrypts a payload; names the key that was used, where it is known."""


class Eax:
    """AES-EAX with nonces and tags of a block: M. Bellare, P. Rogaway, D. Wagner, FSE 2004.

    The library has its parts only: CTR and OMAC (CMAC).

    Args:
        key: 16, 24 or 32 bytes.
        header: authenticated besides; Canonical's workers have none.
    """

    def __init__(self, key: bytes, header: bytes = b''):
        self._algorithm = algorithms.AES(key)
        self._header = self._omac(1, header)

    def _omac(self, kind: int, data: bytes) -> int:
        mac = CMAC(self._algorithm)
        mac.update(bytes([*bytes(_BLOCK - 1), kind]) + data)
        return int.from_bytes(mac.finalize(), 'big')

    def _tag(self, nonce: int, ciphertext: bytes) -> bytes:
        return (nonce ^ self._header ^ self._omac(2, ciphertext)).to_bytes(_BLOCK, 'big')

    def _counter(self, nonce: int) -> Cipher:
        return Cipher(self._algorithm, modes.CTR(nonce.to_bytes(_BLOCK, 'big')))

    def encrypt(self, data: bytes, nonce: bytes) -> bytes:
        """Nonce, tag and ciphertext."""
        start = self._omac(0, nonce)
        ciphertext = self._counter(start).encryptor().update(data)
        return nonce + self._tag(start, ciphertext) + ciphertext

    def decrypt(self, sealed: bytes) -> bytes:
        """The reverse.

        Raises:
            InvalidTag: when this is not the key, or something was changed.
        """
        nonce, tag, ciphertext = sealed[:_BLOCK], sealed[_BLOCK : 2 * _BLOCK], sealed[2 * _BLOCK :]
        start = self._omac(0, nonce)
        if not hmac.compare_digest(tag, self._tag(start, ciphertext)):
            raise InvalidTag
        return self._counter(start).decryptor().update(ciphertext)


class Key:
    """One key, in both forms.

    Args:
        text: base64 of 16, 24 or 32 bytes.
    """

    def __init__(self, text: str):
        key = base64.b64decode(text)
        self.identifier = hashlib.sha256(b'temporal-worker-k8s payload key\0' + key).hexdigest()[:16].encode()
        self._gcm, self._eax = AESGCM(key), Eax(key)

    def gcm(self, data: bytes) -> Payload:
        """Encrypt as Temporal's samples do."""
        nonce = os.urandom(_GCM_NONCE)
        metadata = {_ENCODING: _ENCRYPTED, _KEY_ID: self.identifier}
        return Payload(metadata=metadata, data=nonce + self._gcm.encrypt(nonce, data, None))

    def eax(self, data: bytes) -> Payload:
        """Encrypt as Canonical's workers do."""
        return Payload(metadata={_ENCODING: _ENCRYPTED}, data=self._eax.encrypt(data, os.urandom(_BLOCK)))

    def decrypt(self, payload: Payload) -> bytes:
        """Decrypt either.

        Raises:
            InvalidTag: when this is not the key.
        """
        if _KEY_ID not in payload.metadata:
            return self._eax.decrypt(payload.data)
        try:
            return self._gcm.decrypt(payload.data[:_GCM_NONCE], payload.data[_GCM_NONCE:], None)
        except ValueError:
            # Too short to have a nonce.
            raise InvalidTag from None


class Codec(PayloadCodec):
    """Encrypts with the first key, and decrypts with all; what is not encrypted is let through.

    Args:
        keys: in base64, one at least.
        cipher: `aes-gcm` or `aes-eax`.
    """

    def __init__(self, keys: Iterable[str], cipher: str):
        self._keys = [Key(key) for key in keys]
        self._encrypt = self._keys[0].eax if cipher == 'aes-eax' else self._keys[0].gcm

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each."""
        return [self._encrypt(payload.SerializeToString()) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each that is encrypted.

        Raises:
            Undecipherable: when no key fits.
        """
        return [
            self._decrypt(payload) if payload.metadata.get(_ENCODING) == _ENCRYPTED else payload for payload in payloads
        ]

    def _decrypt(self, payload: Payload) -> Payload:
        named = payload.metadata.get(_KEY_ID, b'')
        # Others may have named a key that this worker has, too.
        for key in sorted(self._keys, key=lambda key: key.identifier != named):
            try:
                return Payload.FromString(key.decrypt(payload))
            except InvalidTag:
                continue
        which = f'key {named.decode(errors="replace")}' if named else 'an AES-EAX key'
        have = ', '.join(key.identifier.decode() for key in self._keys)
        raise Undecipherable(f'a payload is encrypted with {which}, which encryption-secret-id lacks (it has {have})')
