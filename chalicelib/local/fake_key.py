"""The credentials of a run at a fake exchange: its one key, given to the one connection that trades there.

There is no key management service in the emulator whose keys would survive a restart, and nothing secret
about a key of a fake: so it is held in memory and stored nowhere.
"""

from chalicelib.domain.credentials import Credentials, SealedCredentials
from chalicelib.errors import Conflict


class FakeKey:
    """A credential store that has one key for one connection and takes no others."""

    def __init__(self, tenant: str, connection_id: str, credentials: Credentials) -> None:
        self._tenant = tenant
        self._connection_id = connection_id
        self._credentials = credentials

    def seal(self, tenant: str, connection_id: str, credentials: Credentials) -> SealedCredentials:  # noqa: ARG002
        """Refuse: what is not the fake's key has no place in this run."""
        raise Conflict("this run trades at a fake exchange with the fake's own key: it stores no others")

    def put(self, sealed: SealedCredentials) -> None:
        """Refuse, as `seal` does."""
        raise Conflict(f"no credentials are stored in this run, nor those of {sealed.connection_id!r}")

    def get(self, tenant: str, connection_id: str) -> Credentials | None:
        """Return the fake's key for its connection."""
        return self._credentials if connection_id in self.held(tenant) else None

    def delete(self, tenant: str, connection_id: str) -> bool:  # noqa: ARG002
        """Keep the key: it is the fake's."""
        return False

    def held(self, tenant: str) -> frozenset[str]:
        """Return the connection that has the key."""
        return frozenset({self._connection_id} if tenant == self._tenant else ())
