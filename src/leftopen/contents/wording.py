"""The answer of contents in plain words: one paragraph with figures and never a value."""

from __future__ import annotations

from leftopen.model.finding import Confidence, Contents, Finding, People, Tier

_MAIL = frozenset({"eml", "mbox", "msg", "pst", "ost", "mime", "tnef"})
_SAID = 6  # findings that the paragraph names
_PLURALS = {
    "us_ssn": ("Social Security number", "Social Security numbers"),
    "us_dod_id": ("DoD ID number", "DoD ID numbers"),
    "payment_card": ("payment card number", "payment card numbers"),
    "date_of_birth": ("date of birth", "dates of birth"),
    "us_passport": ("passport number", "passport numbers"),
    "phone": ("telephone number", "telephone numbers"),
    "email_mil_gov": (".mil or .gov address", ".mil and .gov addresses"),
}


def paragraph(contents: Contents) -> str:
    """What is in there, what it is, how many people, and what was not read."""
    if not contents.objects_read:
        return "Nothing could be read, so nothing is known of what is in there."
    sentences = [_store(contents), _read(contents)]
    sure = [f for f in contents.findings if f.confidence is not Confidence.POSSIBLE]
    named = [_finding(f, contents) for f in sure[:_SAID]]
    if named:
        more = len(sure) - _SAID
        tail = f", and {more} more kinds" if more > 1 else ", and one more kind" if more else ""
        sentences.append(f"It holds {_list(named) if not tail else ', '.join(named) + tail}.")
    else:
        sentences.append("No personal data, form or marking was recognised in what was read.")
    sentences += [_people(contents.people), _unread(contents)]
    return " ".join(filter(None, sentences))


def _store(contents: Contents) -> str:
    mail = sum(n for kind, n in contents.kinds.items() if kind in _MAIL) * 2 > contents.objects_read
    total = contents.objects_total
    unit = "message" if mail else "object"
    size = f"an unknown number of {unit}s" if total is None else _count(total, unit)
    if total is not None and total > contents.objects_read:
        size = f"about {size}"
    kind = "A mail store" if mail else "A store"
    groups = len(contents.groups)
    place = f" in {_count(groups, 'mailbox' if mail else 'folder')}" if groups > 1 else ""
    return f"{kind} of {size}{place}{_span(contents)}."


def _span(contents: Contents) -> str:
    if contents.first is None or contents.last is None:
        return ""
    first, last = contents.first.year, contents.last.year
    return f", {first} to {last}" if first != last else f", all of {first}"


def _read(contents: Contents) -> str:
    total, read = contents.objects_total, contents.objects_read
    copies = f", {_count(contents.duplicates, 'copy')} among them" if contents.duplicates else ""
    if total is not None and total > read:
        return f"{read:,} of them were read{copies}."
    return f"All were read{copies}." if total is not None else f"{read:,} were read{copies}."


def _finding(finding: Finding, contents: Contents) -> str:
    estimate = finding.estimate
    sampled = contents.objects_total is not None and contents.objects_total > contents.objects_read
    about = ""
    if estimate is not None and not estimate.exact and sampled:
        low, high = round(estimate.low), round(estimate.high)
        about = f" (in {low:,} to {high:,} objects of the whole store)"
    if finding.kind in _PLURALS:
        one, many = _PLURALS[finding.kind]
        what = f"{finding.distinct:,} different {many}" if finding.distinct != 1 else f"one {one}"
        return f"{what} in {_count(finding.objects, 'object')}{about}"
    form, _, state = finding.kind.rpartition("_")
    if state in ("completed", "partial", "blank", "unknown"):
        name = form.upper().replace("SF", "SF-")
        many = "s" if finding.matches != 1 else ""
        word = {"partial": "partly completed"}.get(state, state)
        return f"{finding.matches:,} {word} {name} form{many}{about}"
    title = finding.title.partition(":")[0]
    return f"{title} in {_count(finding.objects, 'object')}{about}"


def _people(people: People) -> str:
    if not people.upper:
        return ""
    range_ = f"between {people.lower:,} and {people.upper:,}"
    if people.lower == people.upper:
        range_ = f"{people.lower:,}"
    words = (
        f"By the rules of counting, {range_} {_persons(people.upper)} affected, "
        f"{people.notifiable:,} of them by data that calls for a notice."
    )
    contact = people.by_tier.get(Tier.CONTACT.value, 0)
    if contact:
        words += f" {_count(contact, 'person', 'people')} known by contact data only."
    if people.projected is not None:
        floor = round(people.projected.value)
        words += f" In the whole store there are at least about {floor:,}: this is a floor."
    return words


def _persons(number: int) -> str:
    return "person is" if number == 1 else "people are"


def _unread(contents: Contents) -> str:
    unread = contents.people.unread
    if not unread:
        return ""
    return f"{_count(unread, 'part')} could not be read and may hold more."


def _count(number: int, one: str, many: str = "") -> str:
    irregular = {"copy": "copies", "mailbox": "mailboxes"}
    word = one if number == 1 else many or irregular.get(one, f"{one}s")
    return f"{number:,} {word}"


def _list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
