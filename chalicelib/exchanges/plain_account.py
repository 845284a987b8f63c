"""What an account answers that has no funding, no leverage and no API key: the paper exchange's."""

from collections.abc import Sequence

from chalicelib.domain.venue import PAPER, Abilities, Funding, KeyPermissions, MarginMode, PositionMode


class PlainAccount:
    """The part of a venue that asks nobody."""

    @property
    def abilities(self) -> Abilities:
        """What this venue can do."""
        return PAPER

    def fetch_funding(
        self,
        symbols: Sequence[str],  # noqa: ARG002
        since: float,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> tuple[Funding, ...]:
        """Return nothing: no funding is paid here."""
        return ()

    def configure(
        self, symbol: str, leverage: int, margin_mode: MarginMode, position_mode: PositionMode, now: float
    ) -> None:
        """Do nothing: swaps are held one-way and without leverage."""

    def permissions(self, now: float) -> KeyPermissions:  # noqa: ARG002
        """Return what the account's owner may do: trade; there is nothing to withdraw."""
        return KeyPermissions(trade=True, withdraw=False)

    def clock_skew(self, now: float) -> float | None:  # noqa: ARG002
        """Return 0: it goes by the same clock."""
        return 0.0
