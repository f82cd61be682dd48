"""Accuracy of the judging half: false alarms on real ham, recall on a planted set.

Ham: ../shared/data/mail/spamassassin_ham_2750.tar.xz, civilian mail of 2002. Planted: messages
made here from a seed, in phrasings that no detector carries as an example; values are known.
Table on stderr, JSON on stdout. `--quick` takes every tenth ham message and a tenth of the set.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from leftopen.contents.api import Text, TextKind
from leftopen.contents.cards import luhn
from leftopen.contents.engine import Engine
from leftopen.contents.extract import extract
from leftopen.model.blob import Blob, Provenance
from leftopen.model.finding import Confidence
from leftopen.model.redact import Keyring

HAM = Path(__file__).parents[2] / "shared" / "data" / "mail" / "spamassassin_ham_2750.tar.xz"
KEYRING = Keyring(b"key of the accuracy benchmark")
SURE = (Confidence.CERTAIN, Confidence.LIKELY)
SEED = 20230208

Planted = tuple[str, str]  # detector, normalised value


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def ssn(rng: random.Random) -> str:
    area = rng.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03}{rng.randrange(1, 100):02}{rng.randrange(1, 10_000):04}"


def card(rng: random.Random) -> str:
    body = rng.choice(["4", "52", "6011"])
    body += digits(rng, 15 - len(body))
    return body + next(d for d in "0123456789" if luhn(body + d))


def phone(rng: random.Random) -> str:
    area, exchange = rng.choice(["703", "571", "808", "619"]), f"{rng.randrange(220, 989)}"
    exchange = exchange.replace("11", "12")
    return f"{area}{exchange}{digits(rng, 4)}"


def dashed(value: str) -> str:
    return f"{value[:3]}-{value[3:5]}-{value[5:]}"


def prose(rng: random.Random) -> tuple[str, list[Planted]]:
    """One sentence with one value."""
    number, dob = (
        ssn(rng),
        f"19{rng.randrange(50, 99)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
    )
    year, month, day = dob.split("-")
    tel, pay, edipi = phone(rng), card(rng), digits(rng, 10)
    grouped = " ".join(pay[n : n + 4] for n in range(0, 16, 4))
    names = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
    months = names.split()
    name = rng.choice(["Ortiz", "Baker", "Nguyen", "Kowalski"])
    return rng.choice(
        [
            (
                f"For the badge we need {name}'s SSN, which is {dashed(number)}.",
                [("us_ssn", number)],
            ),
            (f"Soc Sec No. {number} belongs to PO2 {name}", [("us_ssn", number)]),
            (f"{name.upper()}, LEE {dashed(number)} E-5", [("us_ssn", number)]),
            (f"SSAN: {number[:3]} {number[3:5]} {number[5:]}", [("us_ssn", number)]),
            (f"her social security number ({dashed(number)})", [("us_ssn", number)]),
            (f"D.O.B.: {day} {months[int(month) - 1]} {year}", [("date_of_birth", dob)]),
            (f"born on {month}/{day}/{year} in Guam", [("date_of_birth", dob)]),
            (f"Birthdate {year}{month}{day}", [("date_of_birth", dob)]),
            (f"Reach me at ({tel[:3]}) {tel[3:6]}-{tel[6:]}.", [("phone", f"+1{tel}")]),
            (f"Comm: {tel[:3]}.{tel[3:6]}.{tel[6:]}", [("phone", f"+1{tel}")]),
            (f"DSN {tel[3:6]}-{tel[6:]}", [("phone", f"dsn:312{tel[3:]}")]),
            (f"GTCC {pay} exp 09/27", [("payment_card", pay)]),
            (f"please charge {grouped}", [("payment_card", pay)]),
            (f"DoD ID# {edipi}", [("us_dod_id", edipi)]),
            (f"EDIPI ({edipi})", [("us_dod_id", edipi)]),
            (f"CN={name.upper()}.LEE.A.{edipi}", [("us_dod_id", edipi)]),
            (f"Passport #{number}", [("us_passport", number)]),
            (
                f"cc {name.lower()}.lee@us.af.mil",
                [("email_mil_gov", f"{name.lower()}.lee@us.af.mil")],
            ),
        ]
    )


def table(rng: random.Random) -> tuple[str, list[Planted]]:
    """A roster of ten rows as the format readers give it."""
    lines, planted = [], []
    for _ in range(10):
        number, edipi = ssn(rng), digits(rng, 10)
        month, day, year = rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(1950, 2000)
        lines.append(
            f"Rank: SGT\tLast Name: Lee\tSSN: {number}\tDOB: {month}/{day}/{year}\t"
            f"DoD ID: {edipi}\tWork Order: {digits(rng, 10)}\tInvoice: {digits(rng, 9)}"
        )
        planted += [("us_ssn", number), ("us_dod_id", edipi)]
        planted.append(("date_of_birth", f"{year}-{month:02}-{day:02}"))
    return "\n".join(lines) + "\n", planted


def decoys(rng: random.Random) -> str:
    """Numbers that are nobody's: shipping, parts, orders, times, ids."""
    return rng.choice(
        [
            f"UPS 1Z{digits(rng, 16)}",
            f"Invoice {digits(rng, 9)}",
            f"order no {digits(rng, 16)}",
            f"work order {digits(rng, 10)} closed",
            f"NSN {digits(rng, 4)}-{digits(rng, 2)}-{digits(rng, 3)}-{digits(rng, 4)}",
            f"P/N 9{digits(rng, 2)}-{digits(rng, 2)}-{digits(rng, 4)}",
            f"serial SN{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 4)}",
            f"https://example.com/{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 4)}/view",
            f"epoch {rng.randrange(10**9, 2 * 10**9)}",
            f"guid {digits(rng, 8)}-{digits(rng, 4)}-{digits(rng, 4)}-{digits(rng, 12)}",
            f"ISBN 978{digits(rng, 10)}",
            f"grid 18SUJ{digits(rng, 10)}",
        ]
    )


def planted_set(count: int) -> Iterator[tuple[Text, set[Planted]]]:
    rng = random.Random(SEED)
    for number in range(count):
        place = Provenance().child("message", f"#{number}")
        if number % 5 == 0:
            text, planted = table(rng)
            yield Text(text, TextKind.TABLE, place, carrier="csv"), set(planted)
            continue
        lines, planted = [], []
        for _ in range(3):
            line, values = prose(rng)
            lines += [line, decoys(rng), ""]
            planted += values
        yield Text("\n".join(lines), TextKind.BODY, place, carrier="plain"), set(planted)


def measure_planted(engine: Engine, count: int) -> dict[str, dict[str, float]]:
    right, planted_count, reported = Counter[str](), Counter[str](), Counter[str]()
    for text, planted in planted_set(count):
        truth = {(kind, KEYRING.digest(kind, value)) for kind, value in planted}
        found = {
            (m.detector, m.digest) for m in engine.examine([text]).matches if m.confidence in SURE
        }
        planted_count.update(kind for kind, _ in truth)
        reported.update(kind for kind, _ in found)
        right.update(kind for kind, _ in truth & found)
    return {
        kind: {
            "planted": planted_count[kind],
            "precision": round(right[kind] / reported[kind], 4) if reported[kind] else 0.0,
            "recall": round(right[kind] / planted_count[kind], 4),
        }
        for kind in sorted(planted_count)
    }


def measure_ham(engine: Engine, step: int) -> dict[str, float | dict[str, int]]:
    alarms, messages, chars, seconds = Counter[str](), 0, 0, 0.0
    with tarfile.open(HAM) as archive:
        for number, member in enumerate(m for m in archive if m.isfile()):
            file = archive.extractfile(member) if number % step == 0 else None
            if file is None:
                continue
            blob = Blob(data=file.read(), place=Provenance())
            texts = [item for item in extract(blob) if isinstance(item, Text)]
            start = time.process_time()
            judged = engine.examine(texts)
            seconds += time.process_time() - start
            messages += 1
            chars += sum(len(text.text) for text in texts)
            alarms.update({m.detector for m in judged.matches if m.confidence in SURE})
            alarms.update(f"marking {m.system}" for m in judged.markings)
            alarms.update(f"form {form.form}" for form in judged.forms)
    return {
        "messages": messages,
        "megabytes_of_text": round(chars / 1e6, 2),
        "judging_cpu_seconds": round(seconds, 2),
        "messages_with": dict(sorted(alarms.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    engine = Engine(KEYRING)
    engine.examine([Text("warm up: compiles the patterns", TextKind.BODY, Provenance())])
    result = {"planted": measure_planted(engine, 200 if quick else 2000)}
    if HAM.exists():
        result["ham"] = measure_ham(engine, 10 if quick else 1)  # type: ignore[assignment]
    print(f"{'kind':16} {'planted':>8} {'P':>7} {'R':>7}", file=sys.stderr)
    for kind, row in result["planted"].items():
        print(
            f"{kind:16} {row['planted']:8} {row['precision']:7.3f} {row['recall']:7.3f}",
            file=sys.stderr,
        )
    print(f"ham: {result.get('ham', f'{HAM} is absent')}", file=sys.stderr)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
