"""The dead-letter queues in SQS: looked at without taking anything, sent again, removed.

SQS has no look: a message is received, and hidden from others until it is given back. Of one group of a FIFO
queue the first ten can be seen; the next ones when those are gone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.dead_letters import DeadLetter, letter_id
from chalicelib.domain.ids import digest
from chalicelib.messaging.failures import translated
from chalicelib.messaging.letters import LETTER_QUEUES, SIGNALS, STREAMS, read_letter
from chalicelib.messaging.sqs import BATCH, Queues
from chalicelib.settings import EXECUTE_QUEUE, Settings, dead_letter_queue

HIDDEN = 30
"""Seconds for which a letter is hidden from others while somebody looks at it or decides."""

MOST_RECEIVES = 50
WAIT = 1
"""Seconds: without waiting SQS asks a part of its servers only, and small queues look empty."""

_ABSENT = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


class SqsDeadLetters:
    """What `flows.world.DeadLetters` asks for; with `streams` also what event sources of streams gave up."""

    def __init__(self, client: Any, settings: Settings, streams: bool = False, wait: int = WAIT) -> None:
        self._queues = Queues(client, settings)
        self._stage = settings.stage
        self._names = (*LETTER_QUEUES, *((STREAMS,) if streams else ()))
        self._wait = wait
        self._taken: dict[str, Mapping[str, Any]] = {}

    def all(self) -> tuple[DeadLetter, ...]:
        """Look at all letters, oldest first: 2 calls per ten, and at least one for each queue."""
        with ThreadPoolExecutor(len(self._names)) as threads:
            found = [letter for letters in threads.map(self._look, self._names) for letter in letters]
        return tuple(sorted(found, key=lambda letter: (letter.sent_at, letter.letter_id)))

    def take(self, wanted: str) -> DeadLetter | None:
        """Hide a letter from others, to decide on it; None if there is none of this id: 2 calls per ten."""
        queue, _, message_id = wanted.partition(".")
        if queue not in self._names:
            return None
        messages = self._receive(queue, lambda received: received["MessageId"] == message_id)
        found = [message for message in messages if message["MessageId"] == message_id]
        self._give_back(queue, [message for message in messages if message["MessageId"] != message_id])
        if not found:
            return None
        self._taken[wanted] = found[0]
        return _letter(queue, found[0])

    def release(self, letter: DeadLetter) -> None:
        """Let others see a letter that was taken: 1 call."""
        self._give_back(letter.queue, [self._taken.pop(letter.letter_id)])

    def remove(self, letter: DeadLetter) -> None:
        """Remove a letter that was taken, for good: 1 call."""
        receipt = self._taken.pop(letter.letter_id)["ReceiptHandle"]
        with translated(letter.queue):
            self._queues.client.delete_message(QueueUrl=self._dead(letter.queue), ReceiptHandle=receipt)

    def send_again(self, letter: DeadLetter, now: float) -> None:
        """Send a letter that was taken to the queue it came from, then remove it: 2 calls."""
        source, order = self._source(letter.queue), {}
        if letter.queue == SIGNALS:
            # Under its old identity the queue would take it for the one that it had already.
            order = {
                "MessageGroupId": self._taken[letter.letter_id]["Attributes"]["MessageGroupId"],
                "MessageDeduplicationId": digest(letter.letter_id, now),
            }
        with translated(source):
            self._queues.client.send_message(
                QueueUrl=self._queues.url(source), MessageBody=letter.body, **order
            )
        self.remove(letter)

    def _look(self, queue: str) -> list[DeadLetter]:
        messages = self._receive(queue, lambda _: False)
        self._give_back(queue, messages)
        return [_letter(queue, message) for message in messages]

    def _receive(self, queue: str, wanted: Callable[[Mapping[str, Any]], bool]) -> list[Mapping[str, Any]]:
        """Receive messages until there are no more, or the wanted one is among them."""
        found: dict[str, Mapping[str, Any]] = {}
        for _ in range(MOST_RECEIVES):
            messages = self._received(queue)
            found |= {message["MessageId"]: message for message in messages}
            if not messages or any(wanted(message) for message in messages):
                break
        return list(found.values())

    def _received(self, queue: str) -> Sequence[Mapping[str, Any]]:
        try:
            with translated(queue):
                answer = self._queues.client.receive_message(
                    QueueUrl=self._dead(queue),
                    MaxNumberOfMessages=BATCH,
                    VisibilityTimeout=HIDDEN,
                    WaitTimeSeconds=self._wait,
                    MessageSystemAttributeNames=["All"],
                )
        except ClientError as error:
            if queue == STREAMS and error.response["Error"]["Code"] in _ABSENT:
                # A local run has no such queue.
                return ()
            raise
        received: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
        return received

    def _give_back(self, queue: str, messages: Iterable[Mapping[str, Any]]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for number, message in enumerate(messages)
        ]
        for start in range(0, len(entries), BATCH):
            # One that is not given back comes to light by itself, after HIDDEN seconds.
            with translated(queue):
                self._queues.client.change_message_visibility_batch(
                    QueueUrl=self._dead(queue), Entries=entries[start : start + BATCH]
                )

    def _source(self, queue: str) -> str:
        return f"cts-{self._stage}-{EXECUTE_QUEUE if queue == SIGNALS else queue}"

    def _dead(self, queue: str) -> str:
        return self._queues.url(dead_letter_queue(self._source(queue)))


def _letter(queue: str, message: Mapping[str, Any]) -> DeadLetter:
    attributes = message["Attributes"]
    return read_letter(
        DeadLetter(
            letter_id=letter_id(queue, message["MessageId"]),
            kind="unreadable",
            queue=queue,
            what="",
            sent_at=int(attributes["SentTimestamp"]) / 1000,
            received=int(attributes["ApproximateReceiveCount"]),
            body=message["Body"],
        )
    )
