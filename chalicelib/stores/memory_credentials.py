"""In-memory twin of the credentials, for tests and backtests: what is sealed opens for its own place only."""

import base64

from chalicelib.domain.credentials import Credentials, SealedCredentials, credentials_in, plaintext_of
from chalicelib.errors import Conflict, Halt, NotFound
from chalicelib.stores.memory import MemoryTables

_MARK = "sealed for"


class MemoryCredentialStore:
    """Twin of KmsCredentialStore; nothing is secret in it. `has_key` False is a stage without a key."""

    def __init__(self, tables: MemoryTables, has_key: bool = True) -> None:
        self._tables = tables
        self._has_key = has_key

    def seal(self, tenant: str, connection_id: str, credentials: Credentials) -> SealedCredentials:
        if not self._has_key:
            raise Conflict("this stage has no key for credentials: deploy its resources with Key=customer")
        blob = b"".join((_seal(tenant, connection_id), plaintext_of(credentials)))
        return SealedCredentials(tenant, connection_id, base64.b64encode(blob).decode())

    def put(self, sealed: SealedCredentials) -> None:
        place = (sealed.tenant, sealed.connection_id)
        with self._tables.lock:
            if place not in self._tables.connections:
                raise NotFound(f"no connection {sealed.connection_id!r}")
            self._tables.credentials[place] = sealed

    def get(self, tenant: str, connection_id: str) -> Credentials | None:
        sealed = self._tables.credentials.get((tenant, connection_id))
        if sealed is None:
            return None
        mark = _seal(tenant, connection_id)
        if not sealed.blob.startswith(mark):
            raise Halt(f"credentials of connection {connection_id!r} can't be decrypted: set them again")
        return credentials_in(sealed.blob.removeprefix(mark))

    def delete(self, tenant: str, connection_id: str) -> bool:
        with self._tables.lock:
            return self._tables.credentials.pop((tenant, connection_id), None) is not None

    def held(self, tenant: str) -> frozenset[str]:
        with self._tables.lock:
            return frozenset(name for owner, name in self._tables.credentials if owner == tenant)


def _seal(tenant: str, connection_id: str) -> bytes:
    return f"{_MARK} {tenant} {connection_id}\n".encode()
