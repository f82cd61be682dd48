"""The mail archive: more than 2,000 synthetic messages, and the truth about them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from leftopen.demo import documents
from leftopen.demo.people import Person, make_people

SEED = 20230208
MAILBOXES = (
    *("j1-personnel", "j2-watch", "j3-current-ops", "j4-logistics", "j6-helpdesk", "security"),
    *("travel", "medical", "contracting", "training", "public-affairs", "front-office"),
)
MESSAGES = 2040
BACKUP = "/backup/mailboxes-2018.tar.lz4"  # one large object that no reader of ours knows
BACKUP_BYTES = 6_000_000
PEOPLE = 420


@dataclass(slots=True)
class Truth:
    """What was planted. Holds the values themselves, so it is never written anywhere."""

    messages: int = 0
    bytes: int = 0
    sf86_completed: set[str] = field(default_factory=set)  # paths of messages that hold one
    sf86_blank: set[str] = field(default_factory=set)
    with_ssn: set[str] = field(default_factory=set)
    cui: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    people: dict[str, set[str]] = field(default_factory=dict)  # SSN -> paths
    values: set[str] = field(default_factory=set)  # every SSN, card number and DoD ID
    sizes: dict[str, int] = field(default_factory=dict)  # path -> bytes


@dataclass(slots=True)
class _Draft:
    message: EmailMessage
    ssn_of: list[Person] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)


def build(root: Path, *, messages: int = MESSAGES, tick: Callable[[], None] | None = None) -> Truth:
    """Write the archive below `root` (folders by mailbox and month) and say what is in it."""
    rng = random.Random(SEED)  # noqa: S311 - not a secret: everything here is made up
    people = make_people(rng, PEOPLE)
    truth = Truth()
    makers = _plan(rng, messages)
    start = datetime(2019, 3, 4, 8, tzinfo=UTC)
    for number, maker in enumerate(makers, 1):
        sent = start + timedelta(days=1440 * number / messages, minutes=rng.randint(0, 600))
        box = "security" if maker in (_completed, _blank, _partial) else rng.choice(MAILBOXES)
        draft = maker(rng, people)
        _address(draft.message, rng, people, sent, number)
        path = f"/{box}/{sent:%Y-%m}/{number:06}.eml"
        _write(root, path, draft, truth)
        os.utime(root / path[1:], (sent.timestamp(), sent.timestamp()))
        if tick:
            tick()
    backup = root / BACKUP[1:]
    backup.parent.mkdir(exist_ok=True)
    backup.write_bytes(b"\x04\x22\x4d\x18" + rng.randbytes(BACKUP_BYTES))
    truth.sizes[BACKUP] = backup.stat().st_size
    truth.bytes += truth.sizes[BACKUP]
    os.utime(backup, (start.timestamp(), start.timestamp()))
    return truth


def _write(root: Path, path: str, draft: _Draft, truth: Truth) -> None:
    data = draft.message.as_bytes(policy=SMTP)
    file = root / path[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    truth.messages += 1
    truth.bytes += len(data)
    truth.sizes[path] = len(data)
    for person in draft.ssn_of:
        truth.people.setdefault(person.ssn, set()).add(path)
        truth.values |= {person.ssn, person.dod_id}
    if draft.ssn_of:
        truth.with_ssn.add(path)
    for kind, paths in (
        ("sf86_completed", truth.sf86_completed),
        ("sf86_blank", truth.sf86_blank),
        ("cui", truth.cui),
        ("unreadable", truth.unreadable),
    ):
        if kind in draft.kinds:
            paths.add(path)
    truth.values |= {k for k in draft.kinds if k.isdigit()}


def _address(
    message: EmailMessage, rng: random.Random, people: Sequence[Person], sent: datetime, number: int
) -> None:
    sender, to = rng.sample(people, 2)
    message["From"] = f"{sender.first} {sender.last} <{sender.email}>"
    message["To"] = f"{to.first} {to.last} <{to.email}>"
    message["Date"] = format_datetime(sent)
    message["Message-ID"] = f"<{number:08}.{rng.getrandbits(40):010x}@mail.mil>"
    for part in message.walk():  # boundaries are random by default: same seed, same bytes
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            part.set_boundary(f"=_{rng.getrandbits(64):016x}")


Maker = Callable[[random.Random, Sequence[Person]], _Draft]


def _plan(rng: random.Random, messages: int) -> list[Maker]:
    """Which kind each message is, in seeded order."""
    share: list[tuple[Maker, float]] = [
        (_completed, 0.020),
        (_partial, 0.003),
        (_blank, 0.008),
        (_roster_xlsx, 0.015),
        (_roster_zip, 0.010),
        (_letter, 0.030),
        (_inline_ssn, 0.040),
        (_card, 0.020),
        (_forward, 0.030),
        (_cui, 0.080),
        (_locked, 0.004),
        (_picture, 0.120),
    ]
    made: list[Maker] = [m for maker, part in share for m in [maker] * round(part * messages)]
    made += [_plain] * (messages - len(made))
    rng.shuffle(made)
    return made


_TOPICS = (
    *("range safety brief", "vehicle dispatch", "weekly sync notes", "conference room change"),
    *("leave calendar", "parking at gate 4", "printer on floor 2", "newcomer orientation"),
)
_SENTENCES = (
    "Please review the attached before the meeting and send your comments by Thursday.",
    "The schedule moved by one day because the room is taken.",
    "Nothing here is urgent; reply when you are back at your desk.",
    "Supply says that the order has shipped and will arrive next week.",
    "Thanks again to everybody who helped with the move.",
    "The help desk closed the ticket; tell them when it happens again.",
)


def _base(rng: random.Random, subject: str | None = None, *first: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject or rng.choice(_TOPICS).capitalize()
    lines = [*first, *rng.choices(_SENTENCES, k=rng.randint(3, 25))]
    message.set_content("\n\n".join(lines) + "\n", cte="quoted-printable")
    return message


def _attach(message: EmailMessage, data: bytes, kind: str, name: str) -> None:
    main, sub = kind.split("/")
    message.add_attachment(data, maintype=main, subtype=sub, filename=name)


def _plain(rng: random.Random, people: Sequence[Person]) -> _Draft:
    return _Draft(_base(rng))


def _completed(rng: random.Random, people: Sequence[Person]) -> _Draft:
    person = rng.choice(people)
    message = _base(rng, "SF-86 for the new clearance", "My questionnaire is attached.")
    _attach(message, documents.sf86(person), "application/pdf", "SF86.pdf")
    return _Draft(message, [person], {"sf86_completed"})


def _partial(rng: random.Random, people: Sequence[Person]) -> _Draft:
    message = _base(rng, "SF-86, first pages only", "I have started; more will follow.")
    data = documents.sf86(rng.choice(people), partial=True)
    _attach(message, data, "application/pdf", "SF86_draft.pdf")
    return _Draft(message, [], {"sf86_partial"})


def _blank(rng: random.Random, people: Sequence[Person]) -> _Draft:
    message = _base(rng, "Blank SF-86 for you to fill in", "The empty form is attached.")
    _attach(message, documents.sf86(None), "application/pdf", "SF86.pdf")
    return _Draft(message, [], {"sf86_blank"})


def _roster_xlsx(rng: random.Random, people: Sequence[Person]) -> _Draft:
    some = rng.sample(list(people), rng.randint(8, 30))
    message = _base(rng, "Updated recall roster")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    _attach(message, documents.roster_xlsx(some), kind, "recall_roster.xlsx")
    return _Draft(message, some)


def _roster_zip(rng: random.Random, people: Sequence[Person]) -> _Draft:
    some = rng.sample(list(people), rng.randint(5, 20))
    message = _base(rng, "Export from the personnel system")
    data = documents.archive({"export/personnel.csv": documents.roster_csv(some)})
    _attach(message, data, "application/zip", "export.zip")
    return _Draft(message, some)


def _letter(rng: random.Random, people: Sequence[Person]) -> _Draft:
    person = rng.choice(people)
    text = (
        f"MEMORANDUM FOR {person.rank} {person.last}",
        f"Social Security Number: {person.ssn}",
        f"Date of birth: {person.born:%d %b %Y}",
        "You are ordered to report to your new unit on the first of next month.",
    )
    message = _base(rng, "Signed memorandum")
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    _attach(message, documents.letter_docx(text), kind, "memorandum.docx")
    return _Draft(message, [person])


def _inline_ssn(rng: random.Random, people: Sequence[Person]) -> _Draft:
    person = rng.choice(people)
    line = (
        f"For the access request: {person.last}, {person.first}, SSN {person.ssn}, "
        f"EDIPI {person.dod_id}, DOB {person.born:%m/%d/%Y}."
    )
    return _Draft(_base(rng, "Access request", line), [person])


def _card(rng: random.Random, people: Sequence[Person]) -> _Draft:
    card = rng.choice(people).card
    grouped = " ".join(card[i : i + 4] for i in range(0, 16, 4))
    line = f"Please book the hotel on my travel card {grouped}, exp 11/25."
    return _Draft(_base(rng, "Hotel booking", line), [], {card})


def _forward(rng: random.Random, people: Sequence[Person]) -> _Draft:
    inner = _inline_ssn(rng, people)
    person = inner.ssn_of[0]
    inner.message["From"] = f"{person.first} {person.last} <{person.email}>"
    outer = _base(rng, "Fwd: Access request", "See below; can you take this one?")
    outer.add_attachment(inner.message)
    return _Draft(outer, inner.ssn_of)


def _cui(rng: random.Random, people: Sequence[Person]) -> _Draft:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "[CUI] " + rng.choice(_TOPICS)
    body = "\n\n".join(rng.choices(_SENTENCES, k=6))
    message.set_content(f"CUI//SP-PRVCY\n\n{body}\n\nCUI//SP-PRVCY\n", cte="8bit")
    return _Draft(message, [], {"cui"})


def _locked(rng: random.Random, people: Sequence[Person]) -> _Draft:
    message = _base(rng, "Encrypted file; the password follows separately")
    data = documents.encrypted_pdf(["Nobody reads this."], f"{rng.getrandbits(64):x}")
    _attach(message, data, "application/pdf", "locked.pdf")
    return _Draft(message, [], {"unreadable"})


def _picture(rng: random.Random, people: Sequence[Person]) -> _Draft:
    message = _base(rng, "Pictures of the change of command")
    data = documents.photo(rng, rng.randint(20_000, 140_000))
    _attach(message, data, "image/jpeg", "picture.jpg")
    return _Draft(message)
