"""Messages that are set aside: dead letters and quarantine, how to read them and send them back."""

from alchemiser_cli.streaming.dead_letters.families import Failure, Family
from alchemiser_cli.streaming.dead_letters.headers import reason_of
from alchemiser_cli.streaming.dead_letters.letter import DeadLetter
from alchemiser_cli.streaming.dead_letters.letters import DeadLetters
from alchemiser_cli.streaming.dead_letters.limit import DeadLetterLimit
from alchemiser_cli.streaming.dead_letters.memory import RedriveMemory
from alchemiser_cli.streaming.dead_letters.names import dead_letter_topic, quarantine_topic
from alchemiser_cli.streaming.dead_letters.quarantine import Quarantine, implausible
from alchemiser_cli.streaming.dead_letters.reading import DeadLetterReader
from alchemiser_cli.streaming.dead_letters.redrive import Redriver, RedriveResult, RedriveStep
from alchemiser_cli.streaming.dead_letters.selection import (
    DeadLetterListing,
    ListedLetter,
    ReasonCount,
    Selection,
    count_by_reason,
    list_letters,
)

__all__ = [
    "DeadLetter",
    "DeadLetterLimit",
    "DeadLetterListing",
    "DeadLetterReader",
    "DeadLetters",
    "Failure",
    "Family",
    "ListedLetter",
    "Quarantine",
    "ReasonCount",
    "RedriveMemory",
    "RedriveResult",
    "RedriveStep",
    "Redriver",
    "Selection",
    "count_by_reason",
    "dead_letter_topic",
    "implausible",
    "list_letters",
    "quarantine_topic",
    "reason_of",
]
