"""Payloads encrypted in both forms, with several keys, and what is not encrypted."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from temporalio.api.common.v1 import Payload

from loader.codec import Codec, Eax, Key, Undecipherable

OLD, NEW, OTHER = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2, 3))
PLAIN = Payload(metadata={'encoding': b'json/plain'}, data=b'"you"')


def _encode(codec: Codec, payload: Payload = PLAIN) -> Payload:
    return asyncio.run(codec.encode([payload]))[0]


def _decode(codec: Codec, payload: Payload) -> Payload:
    return asyncio.run(codec.decode([payload]))[0]


# From the paper's appendix.
@pytest.mark.parametrize(
    ('message', 'key', 'nonce', 'header', 'cipher'),
    [
        (
            '',
            '233952DEE4D5ED5F9B9C6D6FF80FF478',
            '62EC67F9C3A4A407FCB2A8C49031A8B3',
            '6BFB914FD07EAE6B',
            'E037830E8389F27B025A2D6527E79D01',
        ),
        (
            'F7FB',
            '91945D3F4DCBEE0BF45EF52255F095A4',
            'BECAF043B0A23D843194BA972C66DEBD',
            'FA3BFD4806EB53FA',
            '19DD5C4C9331049D0BDAB0277408F67967E5',
        ),
    ],
)
def test_given_published_vectors_of_eax_then_the_result_is_theirs(message, key, nonce, header, cipher):
    eax = Eax(bytes.fromhex(key), bytes.fromhex(header))

    sealed = eax.encrypt(bytes.fromhex(message), bytes.fromhex(nonce))

    ciphertext, tag = sealed[32:], sealed[16:32]
    assert (ciphertext + tag).hex().upper() == cipher
    assert eax.decrypt(sealed) == bytes.fromhex(message)


def test_given_a_payload_of_canonicals_workers_then_it_is_read():
    # Made with pycryptodome 3.23.0, as temporal-lib-py calls it; the key is the bytes 0 to 31.
    sealed = bytes.fromhex(
        '6465666768696a6b6c6d6e6f707172737ad0dbb6c1b8a29a8a8cd7430d9ad34aa364621ce462c864395962c2e436771ce290d9327a'
        'eef9343949ccd74f8928'
    )
    codec = Codec([NEW, base64.b64encode(bytes(range(32))).decode()], 'aes-gcm')

    assert _decode(codec, Payload(metadata={'encoding': b'binary/encrypted'}, data=sealed)) == PLAIN


def test_given_the_form_of_canonicals_workers_then_nothing_but_their_metadata_is_written():
    sealed = _encode(Codec([OLD], 'aes-eax'))

    assert dict(sealed.metadata) == {'encoding': b'binary/encrypted'}
    assert len(sealed.data) == 32 + len(PLAIN.SerializeToString())
    assert sealed.data[:16] != _encode(Codec([OLD], 'aes-eax')).data[:16]


@pytest.mark.parametrize('cipher', ['aes-gcm', 'aes-eax'])
@pytest.mark.parametrize('size', [16, 24, 32])
def test_given_a_key_then_what_it_encrypts_it_decrypts(cipher, size):
    codec = Codec([base64.b64encode(bytes(size)).decode()], cipher)

    assert _decode(codec, _encode(codec)) == PLAIN
    assert _encode(codec).data != _encode(codec).data
    assert b'you' not in _encode(codec).data


def test_given_several_keys_then_the_first_encrypts_and_is_named():
    sealed = _encode(Codec([NEW, OLD], 'aes-gcm'))

    assert sealed.metadata['encryption-key-id'] == Key(NEW).identifier
    assert _decode(Codec([NEW], 'aes-gcm'), sealed) == PLAIN


@pytest.mark.parametrize('before', ['aes-gcm', 'aes-eax'])
@pytest.mark.parametrize('after', ['aes-gcm', 'aes-eax'])
def test_given_rotated_keys_then_what_the_older_one_encrypted_is_read(before, after):
    sealed = _encode(Codec([OLD], before))

    assert _decode(Codec([NEW, OLD], after), sealed) == PLAIN


def test_given_a_payload_that_is_not_encrypted_then_it_is_let_through():
    assert _decode(Codec([NEW], 'aes-gcm'), PLAIN) == PLAIN
    assert _decode(Codec([NEW], 'aes-gcm'), Payload()) == Payload()


def test_given_a_key_named_otherwise_by_others_then_it_is_tried_all_the_same():
    sealed = _encode(Codec([OLD], 'aes-gcm'))
    sealed.metadata['encryption-key-id'] = b'theirs'

    assert _decode(Codec([NEW, OLD], 'aes-gcm'), sealed) == PLAIN


@pytest.mark.parametrize(
    ('cipher', 'which'), [('aes-gcm', f'key {Key(OTHER).identifier.decode()}'), ('aes-eax', 'AES-EAX')]
)
def test_given_no_key_that_fits_then_it_says_which_is_wanted_and_which_there_are(cipher, which):
    sealed = _encode(Codec([OTHER], cipher))

    with pytest.raises(Undecipherable, match=which) as raised:
        _decode(Codec([NEW], 'aes-gcm'), sealed)

    assert Key(NEW).identifier.decode() in str(raised.value)


@pytest.mark.parametrize('data', [b'', b'x', bytes(40)])
@pytest.mark.parametrize('named', [True, False])
def test_given_something_that_was_never_encrypted_then_it_is_refused(data, named):
    metadata = {'encoding': b'binary/encrypted'} | ({'encryption-key-id': b'x'} if named else {})

    with pytest.raises(Undecipherable):
        _decode(Codec([NEW], 'aes-gcm'), Payload(metadata=metadata, data=data))


def test_given_keys_then_their_names_tell_nothing_of_them():
    assert len({Key(text).identifier for text in (OLD, NEW, OTHER)}) == 3
    assert json.dumps(Key(NEW).identifier.decode())[1:-1].isalnum()
