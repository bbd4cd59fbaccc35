"""Signatures are standard Ed25519 over a tag and the digest; a private key is never replaced."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from dpnotice import signature as module
from dpnotice.errors import ReleaseError
from dpnotice.signature import Signature, create_key, public_key, sign, verify

TAG = b"dpnotice release 1\0"
DIGEST = "0123456789abcdef" * 4
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group (RFC 8032, section 5.1): S and S + ORDER satisfy one equation."""
NO_KEY = (
    r"KEY: '.*' holds no Ed25519 private key without a password; make one with `dpnotice key FILE`$"
)
RFC_8032: list[tuple[str, str, str, str]] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
"""Secret key, public key, message and signature of section 7.1, tests 1 to 3."""

SECRETS = st.binary(min_size=32, max_size=32)
DIGESTS = SECRETS.map(bytes.hex)


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pem(private: Any) -> bytes:
    return bytes(
        private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    )


def key_file(folder: Path, secret: bytes) -> Path:
    path = folder / "made.key"
    path.write_bytes(pem(Ed25519PrivateKey.from_private_bytes(secret)))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(place: Path) -> Path:
    create_key(place / "shop.key")
    return place / "shop.key"


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ReleaseError) as refusal:
        call()
    assert str(refusal.value).startswith(f"{refusal.value.code}: ")
    assert str(refusal.value).isprintable()
    return refusal.value.code


# --- the standard --------------------------------------------------------------------------
@pytest.mark.parametrize(("secret", "public", "_message", "_value"), RFC_8032)
def test_public_keys_are_those_of_the_standard(
    tmp_path: Path, secret: str, public: str, _message: str, _value: str
) -> None:
    path = key_file(tmp_path, bytes.fromhex(secret))
    assert public_key(path) == base64_of(bytes.fromhex(public))


@pytest.mark.parametrize(("secret", "public", "message", "value"), RFC_8032)
def test_but_for_the_tag_signatures_are_those_of_the_standard(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    secret: str,
    public: str,
    message: str,
    value: str,
) -> None:
    monkeypatch.setattr(module, "_TAG", b"")
    made = sign(message, key_file(tmp_path, bytes.fromhex(secret)))
    assert made.key == base64_of(bytes.fromhex(public))
    assert made.value == base64_of(bytes.fromhex(value))
    verify(message, made)


@given(SECRETS, DIGESTS)
def test_what_is_signed_is_the_tag_and_the_digests_bytes(
    place: Path, secret: bytes, digest: str
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    made = sign(digest, key_file(place, secret))
    assert made.key == base64_of(private.public_key().public_bytes_raw())
    assert made.value == base64_of(private.sign(TAG + bytes.fromhex(digest)))


def test_another_reader_of_the_standard_accepts_the_signature(key: Path) -> None:
    made = sign(DIGEST, key)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(made.key))
    public.verify(base64.b64decode(made.value), TAG + bytes.fromhex(DIGEST))
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(made.value), bytes.fromhex(DIGEST))


@given(DIGESTS)
def test_equal_inputs_give_equal_signatures(key: Path, digest: str) -> None:
    assert sign(digest, str(key)) == sign(digest, key)


# --- checking ------------------------------------------------------------------------------
@given(SECRETS, DIGESTS)
def test_what_is_signed_is_verified(place: Path, secret: bytes, digest: str) -> None:
    verify(digest, sign(digest, key_file(place, secret)))


@given(DIGESTS, DIGESTS)
def test_a_signature_is_of_one_digest_only(key: Path, one: str, other: str) -> None:
    made = sign(one, key)
    if one == other:
        verify(other, made)
    else:
        assert refused(lambda: verify(other, made)) == "SIGNATURE"


@pytest.mark.parametrize("part", ["key", "value"])
def test_every_flipped_bit_of_key_and_signature_is_refused(key: Path, part: str) -> None:
    made = sign(DIGEST, key)
    content = base64.b64decode(getattr(made, part))
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        changed = {"key": made.key, "value": made.value, part: base64_of(bytes(flipped))}
        assert refused(lambda c=changed: verify(DIGEST, Signature(**c))) == "SIGNATURE"


@pytest.mark.parametrize("part", ["key", "value"])
def test_another_spelling_of_the_same_bytes_is_refused(key: Path, part: str) -> None:
    """Base64 drops bits of its last letter: without this rule one release had several files."""
    made = sign(DIGEST, key)
    text = getattr(made, part)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = text.rstrip("=")[-1]
    same = text.replace(last + "=", letters[letters.index(last) + 1] + "=")
    assert base64.b64decode(same) == base64.b64decode(text)
    changed = {"key": made.key, "value": made.value, part: same}
    assert refused(lambda: verify(DIGEST, Signature(**changed))) == "SIGNATURE"


def test_the_second_signature_that_solves_the_equation_is_refused(key: Path) -> None:
    made = sign(DIGEST, key)
    value = base64.b64decode(made.value)
    high = int.from_bytes(value[32:], "little") + ORDER
    changed = base64_of(value[:32] + high.to_bytes(32, "little"))
    assert refused(lambda: verify(DIGEST, Signature(key=made.key, value=changed))) == "SIGNATURE"


def test_a_signature_of_another_use_of_the_key_is_refused(key: Path) -> None:
    private: Any = forms.load_pem_private_key(key.read_bytes(), password=None)
    for other in (b"", b"dpnotice release 2\0", b"dpnotice release 1"):
        value = base64_of(private.sign(other + bytes.fromhex(DIGEST)))
        made = Signature(key=public_key(key), value=value)
        assert refused(lambda m=made: verify(DIGEST, m)) == "SIGNATURE"


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_keys_and_signatures_of_any_length_are_refused(one: bytes, other: bytes) -> None:
    made = Signature(key=base64_of(one), value=base64_of(other))
    assert refused(lambda: verify(DIGEST, made)) == "SIGNATURE"


@pytest.mark.parametrize("text", ["A", "=", "", "é", "*" * 43 + "=", "A" * 43, "A" * 43 + "=\n"])
@pytest.mark.parametrize("part", ["key", "value"])
def test_what_is_no_base64_is_refused(key: Path, part: str, text: str) -> None:
    made = sign(DIGEST, key)
    changed = {"key": made.key, "value": made.value, part: text}
    assert refused(lambda: verify(DIGEST, Signature(**changed))) == "SIGNATURE"


def test_the_refusal_says_what_to_do(key: Path) -> None:
    words = "the signature is not of this file; ask the retailer for the release again$"
    with pytest.raises(ReleaseError, match=words):
        verify("0" * 64, sign(DIGEST, key))


# --- a new key -----------------------------------------------------------------------------
def test_a_new_key_is_pem_without_a_password(tmp_path: Path) -> None:
    public = create_key(tmp_path / "a.key")
    private: Any = forms.load_pem_private_key((tmp_path / "a.key").read_bytes(), password=None)
    assert isinstance(private, Ed25519PrivateKey)
    assert public == base64_of(private.public_key().public_bytes_raw())
    assert (tmp_path / "a.key").read_bytes() == pem(private)


def test_a_new_key_is_printed_as_it_is_read_again(tmp_path: Path) -> None:
    assert create_key(str(tmp_path / "a.key")) == public_key(str(tmp_path / "a.key"))


def test_every_new_key_is_another(tmp_path: Path) -> None:
    assert len({create_key(tmp_path / f"{number}.key") for number in range(5)}) == 5


def test_a_new_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_key(tmp_path / "a.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere", "key"])
def test_what_is_there_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.key"
    makes: dict[str, Callable[[], object]] = {
        "file": lambda: path.write_bytes(b"mine"),
        "folder": path.mkdir,
        "link to nowhere": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "key": lambda: create_key(path),
    }
    makes[kind]()
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ReleaseError, match=r"OUTPUT_EXISTS: 'a.key' exists and is never replaced"):
        create_key(path)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.key"]


@pytest.mark.parametrize("name", ["missing/a.key", "file/a.key", "x" * 300, "a\0b"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match=r"FILE: cannot write '.*'; name another file") as no:
        create_key(tmp_path / name)
    assert no.value.code == "FILE"


# --- what is no key ------------------------------------------------------------------------
def encrypted() -> bytes:
    private = Ed25519PrivateKey.generate()
    how = forms.BestAvailableEncryption(b"password")
    return private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, how)


def armoured(der: str) -> bytes:
    content = base64.encodebytes(bytes.fromhex(der))
    return b"-----BEGIN PRIVATE KEY-----\n" + content + b"-----END PRIVATE KEY-----\n"


def openssh() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption()
    )


def public_pem() -> bytes:
    form = forms.PublicFormat.SubjectPublicKeyInfo
    return Ed25519PrivateKey.generate().public_key().public_bytes(forms.Encoding.PEM, form)


NO_KEYS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"secret-in-the-file",
    "bytes": lambda: bytes(range(256)),
    "raw key": lambda: bytes(32),
    "half": lambda: pem(Ed25519PrivateKey.generate())[:60],
    "beyond the limit": lambda: b"#" * 10_000 + pem(Ed25519PrivateKey.generate()),
    "with a password": encrypted,
    "public": public_pem,
    "ssh": openssh,
    "x25519": lambda: pem(x25519.X25519PrivateKey.generate()),
    "ed448": lambda: pem(ed448.Ed448PrivateKey.generate()),
    "p-256": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
}
UNSUPPORTED = {
    "an algorithm that nobody knows": "300f020100300506032a0304040304 0102",
    "a curve that nobody knows": (
        f"302b020100301006072a8648ce3d020106052b8104007f04143012020101040d{'01' * 13}"
    ),
}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_what_holds_no_private_key_of_ed25519_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.key").write_bytes(NO_KEYS[kind]())
    with pytest.raises(ReleaseError, match=NO_KEY) as refusal:
        public_key(tmp_path / "a.key")
    assert "secret" not in str(refusal.value)
    assert refused(lambda: sign(DIGEST, tmp_path / "a.key")) == "KEY"


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_a_key_that_the_library_does_not_support_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.key").write_bytes(armoured(UNSUPPORTED[kind]))
    assert refused(lambda: public_key(tmp_path / "a.key")) == "KEY"


@pytest.mark.parametrize("name", ["missing", "", "file/inside", "a\0b", "x" * 300])
def test_a_key_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert refused(lambda: public_key(tmp_path / name)) == "KEY"


# --- without the library -------------------------------------------------------------------
@contextmanager
def library_absent() -> Iterator[None]:
    """Hide the package from this process: for the branches, as coverage sees no other process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
            patch.setitem(sys.modules, name, None)
        yield


def test_without_the_library_every_use_names_the_extra(tmp_path: Path, key: Path) -> None:
    made = sign(DIGEST, key)
    words = r'SIGN_EXTRA: signatures need the package cryptography: pip install "dpnotice\[sign\]"'
    uses: list[Callable[[], object]] = [
        lambda: create_key(tmp_path / "new.key"),
        lambda: public_key(key),
        lambda: sign(DIGEST, key),
        lambda: verify(DIGEST, made),
    ]
    with library_absent():
        for use in uses:
            with pytest.raises(ReleaseError, match=words):
                use()
    assert list(tmp_path.iterdir()) == []


ABSENT = """
import sys
sys.modules["cryptography"] = None
from dpnotice.errors import ReleaseError
from dpnotice.release import Release
release = Release.load(sys.argv[1])
print(release.retailer, release.to_bytes() == open(sys.argv[1], "rb").read())
release.save(sys.argv[4])
for use in (lambda: Release.load(sys.argv[2]), lambda: release.signed(sys.argv[3])):
    try:
        use()
    except ReleaseError as refusal:
        print(refusal.code)
"""


def test_without_the_library_unsigned_files_are_read_and_signed_ones_refused(
    tmp_path: Path, key: Path
) -> None:
    vectors = Path(__file__).parent / "vectors"
    files = [vectors / "good-laplace.release", vectors / "good-signed.release"]
    command = [sys.executable, "-c", ABSENT, *map(str, [*files, key, tmp_path / "again.release"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sephora", "True", "SIGN_EXTRA", "SIGN_EXTRA"]
    assert (tmp_path / "again.release").read_bytes() == files[0].read_bytes()


def test_nothing_of_the_library_is_loaded_for_unsigned_files() -> None:
    program = (
        "import sys; from dpnotice.release import Release; Release.load(sys.argv[1]).to_bytes(); "
        "print([name for name in sys.modules if name.startswith('cryptography')])"
    )
    file = Path(__file__).parent / "vectors" / "good-laplace.release"
    command = [sys.executable, "-c", program, str(file)]
    assert subprocess.check_output(command, text=True) == "[]\n"
