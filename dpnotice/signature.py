"""Ed25519 signatures over the digest of a release, and the keys that make and check them.

In: a private key's file, or a signature and the digest that it should cover. Out: the signature, or
a refusal. Needs ``dpnotice[sign]``; nothing else imports `cryptography`.
"""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dpnotice.errors import ReleaseError

_TAG: Final = b"dpnotice release 1\0"
"""Keeps these signatures apart from any other use of the same key."""
_KEY_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, and the signature.

    Attributes:
        key: public key, 32 bytes in base64.
        value: signature, 64 bytes in base64.
    """

    key: str
    value: str


def create_key(path: str | Path) -> str:
    """Make a private key in a new file, readable by its owner alone.

    Run by: the retailer, once. The public key reaches the analyst by another way than the releases.

    Args:
        path: a file that does not exist yet; it will hold PEM, without a password.

    Returns:
        The public key, 32 bytes in base64.

    Raises:
        ReleaseError: the file exists (``OUTPUT_EXISTS``) or cannot be written (``FILE``), or
            ``dpnotice[sign]`` is not installed (``SIGN_EXTRA``).
    """
    form, ed25519 = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    path = Path(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(
                key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
            )
    except FileExistsError:
        raise ReleaseError(
            f"{path.name!a} exists and is never replaced; name another file", code="OUTPUT_EXISTS"
        ) from None
    except (OSError, ValueError):
        raise ReleaseError(f"cannot write {path.name!a}; name another file", code="FILE") from None
    return public_key(path)


def public_key(path: str | Path) -> str:
    """Return the public key, in base64, of a private key's file.

    Raises:
        ReleaseError: ``KEY`` where the file holds no Ed25519 private key.
    """
    return _public(_private(path))


def sign(digest: str, path: str | Path) -> Signature:
    """Sign a release's digest with the private key in a file; equal inputs, equal signatures.

    Args:
        digest: SHA-256 of the release, 64 hex digits.
        path: as :func:`create_key` made it.

    Raises:
        ReleaseError: ``KEY`` where the file holds no Ed25519 private key.
    """
    key = _private(path)
    value = key.sign(_TAG + bytes.fromhex(digest))
    return Signature(key=_public(key), value=_text(value))


def verify(digest: str, signature: Signature) -> None:
    """Check that the key in a signature signed this digest; whose key it is, is not said.

    Raises:
        ReleaseError: ``SIGNATURE``.
    """
    _, ed25519 = _library()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- optional

    try:
        key, value = base64.b64decode(signature.key), base64.b64decode(signature.value)
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(value, _TAG + bytes.fromhex(digest))
        genuine = signature == Signature(key=_text(key), value=_text(value))  # one spelling each
    except (InvalidSignature, ValueError):
        genuine = False
    if not genuine:
        raise ReleaseError(
            "the signature is not of this file; ask the retailer for the release again",
            code="SIGNATURE",
        )


def _private(path: str | Path) -> Any:
    form, ed25519 = _library()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- optional

    try:
        with Path(path).open("rb") as file:
            key = form.load_pem_private_key(file.read(_KEY_BYTES), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ReleaseError(
            f"{Path(path).name!a} holds no Ed25519 private key without a password; make one with "
            "`dpnotice key FILE`",
            code="KEY",
        )
    return key


def _public(key: Any) -> str:
    return _text(key.public_key().public_bytes_raw())


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _library() -> tuple[Any, Any]:
    """Load what is only installed with ``dpnotice[sign]``."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- optional
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 -- the same
    except ImportError:
        raise ReleaseError(
            'signatures need the package cryptography: pip install "dpnotice[sign]"',
            code="SIGN_EXTRA",
        ) from None
    return serialization, ed25519
