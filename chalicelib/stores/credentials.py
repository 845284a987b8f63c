"""Exchange credentials in DynamoDB, encrypted by KMS under the context of their tenant and connection.

They are items of the connections table in a partition of their own, `TENANT#credentials`: whoever reads or
lists connections never touches them. Only `get` asks KMS to decrypt, and only venues need it.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.domain.credentials import Credentials, SealedCredentials, credentials_in, plaintext_of
from chalicelib.errors import Conflict, Halt, NotFound, StaleWrite
from chalicelib.stores.documents import find, to_document
from chalicelib.stores.failures import translated
from chalicelib.stores.tables import ConnectionItem, connection_of

NO_KEY = "none"
"""The name of the key on a stage that has none."""

_MISSING = frozenset({"NotFoundException"})
_UNUSABLE = frozenset({"DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException"})
_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsCredentialStore:
    """What `flows.world.CredentialStore` asks for; the tables must be bound.

    `client` makes the client of KMS, which most containers never need; `key` is a key id, alias or ARN.
    """

    def __init__(self, client: Callable[[], Any], key: str) -> None:
        self._make_client = client
        self._key = key

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    def seal(self, tenant: str, connection_id: str, credentials: Credentials) -> SealedCredentials:
        """Encrypt, and store nothing: 1 call. Conflict says what to do where there is no key."""
        if self._key == NO_KEY:
            raise _no_key()
        with _kms(connection_id):
            answer = self._client.encrypt(
                KeyId=self._key,
                Plaintext=plaintext_of(credentials),
                EncryptionContext=_context(tenant, connection_id),
            )
        return SealedCredentials(tenant, connection_id, base64.b64encode(answer["CiphertextBlob"]).decode())

    def put(self, sealed: SealedCredentials) -> None:
        """Store in the place of those before; NotFound if the connection is not there: 1 call."""
        item = ConnectionItem(
            _partition(sealed.tenant), sealed.connection_id, document=to_document(sealed), revision=1
        )
        try:
            with (
                translated(sealed.connection_id),
                TransactWrite(connection=connection_of(ConnectionItem)) as transaction,
            ):
                transaction.condition_check(
                    ConnectionItem,
                    sealed.tenant,
                    sealed.connection_id,
                    condition=ConnectionItem.sort.exists(),
                )
                transaction.save(item)
        except TransactWriteError as error:
            raise NotFound(f"no connection {sealed.connection_id!r}") from error

    def get(self, tenant: str, connection_id: str) -> Credentials | None:
        """Read and decrypt: 2 calls, 1 where there are none.

        Raises Halt for a ciphertext that was made for another connection or by another key.
        """
        sealed = find(SealedCredentials, ConnectionItem, _partition(tenant), connection_id)
        if sealed is None:
            return None
        with _kms(connection_id):
            answer = self._client.decrypt(
                KeyId=self._key,
                CiphertextBlob=sealed.blob,
                EncryptionContext=_context(tenant, connection_id),
            )
        return credentials_in(answer["Plaintext"])

    def delete(self, tenant: str, connection_id: str) -> bool:
        """Remove those of a connection and tell whether there were any: 1 call."""
        try:
            with translated(connection_id):
                ConnectionItem(_partition(tenant), connection_id).delete(
                    condition=ConnectionItem.sort.exists()
                )
        except StaleWrite:
            return False
        return True

    def held(self, tenant: str) -> frozenset[str]:
        """Return the ids of the connections that have credentials (strongly consistent): 1 call."""
        with translated("credentials"):
            items = ConnectionItem.query(_partition(tenant), consistent_read=True, attributes_to_get=["sk"])
            return frozenset(item.sort for item in items)


def _partition(tenant: str) -> str:
    return f"{tenant}#credentials"


def _context(tenant: str, connection_id: str) -> dict[str, str]:
    """Return what KMS binds a ciphertext to: it decrypts for this connection or not at all."""
    return {"tenant": tenant, "connection": connection_id}


def _no_key() -> Conflict:
    return Conflict(
        "this stage has no key for credentials: deploy its resources with Key=customer, then try again"
    )


@contextmanager
def _kms(connection_id: str) -> Iterator[None]:
    """Say what KMS refuses; no message holds anything of what was sent."""
    try:
        with translated(f"credentials of {connection_id}"):
            yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            raise _no_key() from error
        if code in _UNUSABLE:
            raise Conflict(f"the key for credentials can't be used ({code}): enable it in KMS") from error
        if code in _FOREIGN:
            raise Halt(
                f"credentials of connection {connection_id!r} can't be decrypted ({code}): set them again"
            ) from error
        raise
