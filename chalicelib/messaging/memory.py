"""In-memory twins of queues and stream: they keep what was sent, encoded and decoded like the real ones."""

from collections.abc import Sequence

from chalicelib.domain.dead_letters import DeadLetter, letter_id
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.messaging.codec import decode_event, decode_signals, decode_tick, encode
from chalicelib.messaging.envelope import deduplication_id, delay_seconds, split
from chalicelib.messaging.letters import read_letter


class MemoryTickQueue:
    """Twin of SqsTickQueue; `delays` holds the delay in seconds of each tick in `sent`."""

    def __init__(self) -> None:
        self.sent: list[Tick] = []
        self.delays: list[int] = []

    def send(self, ticks: Sequence[Tick], now: float) -> None:
        delays = [delay_seconds(tick, now) for tick in ticks]
        self.sent.extend(decode_tick(encode(tick)) for tick in ticks)
        self.delays.extend(delays)


class MemorySignalQueue:
    """Twin of SqsSignalQueue; a batch with the same signals counts once for the twin's whole life."""

    def __init__(self) -> None:
        self.sent: list[SignalBatch] = []
        self._seen: set[str] = set()

    def send(self, batch: SignalBatch) -> None:
        for part, body in split(batch):
            identity = deduplication_id(part)
            if identity not in self._seen:
                self._seen.add(identity)
                self.sent.append(decode_signals(body))


class MemoryEventStream:
    """Twin of KinesisEventStream."""

    def __init__(self) -> None:
        self.sent: list[Event] = []

    def put(self, events: Sequence[Event]) -> None:
        self.sent.extend(decode_event(encode(event).encode()) for event in events)


class MemoryDeadLetters:
    """Twin of SqsDeadLetters; `sent` holds queue and body of what was sent again."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self._letters: dict[str, DeadLetter] = {}
        self._taken: set[str] = set()

    def put(self, queue: str, name: str, body: str, sent_at: float, received: int = 5) -> DeadLetter:
        """Have a message die in a queue; return the letter that it became."""
        letter = DeadLetter(
            letter_id(queue, name), "unreadable", queue, "", sent_at, received=received, body=body
        )
        self._letters[letter.letter_id] = known = read_letter(letter)
        return known

    def all(self) -> tuple[DeadLetter, ...]:
        seen = [letter for name, letter in self._letters.items() if name not in self._taken]
        return tuple(sorted(seen, key=lambda letter: (letter.sent_at, letter.letter_id)))

    def take(self, wanted: str) -> DeadLetter | None:
        if wanted in self._taken:
            return None
        letter = self._letters.get(wanted)
        if letter is not None:
            self._taken.add(wanted)
        return letter

    def release(self, letter: DeadLetter) -> None:
        self._taken.remove(letter.letter_id)

    def remove(self, letter: DeadLetter) -> None:
        self._taken.remove(letter.letter_id)
        del self._letters[letter.letter_id]

    def send_again(self, letter: DeadLetter, now: float) -> None:  # noqa: ARG002
        self.sent.append((letter.queue, letter.body))
        self.remove(letter)
