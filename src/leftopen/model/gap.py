"""A Gap: something that was not examined, with its place and its reason.

Gaps flow to every output; a case with Gaps never reads like a clean one.
"""

from __future__ import annotations

from enum import StrEnum

from leftopen.model.record import Record


class Stage(StrEnum):
    """The five questions of a run."""

    REACH = "reach"
    CONTENTS = "contents"
    CAUSE = "cause"
    TRACE = "trace"
    CASE = "case"


class Reason(StrEnum):
    """Why something was not examined. Add a word here before inventing one in a stage."""

    BUDGET = "budget"  # the user's budget for sampling or probing ended first
    NOT_SAMPLED = "not_sampled"  # left out by the sample, by design
    ENCRYPTED = "encrypted"  # a password or key is needed; none is ever guessed
    CORRUPT = "corrupt"  # the bytes break their own format
    UNSUPPORTED = "unsupported"  # no reader for this format yet
    IMAGE_ONLY = "image_only"  # no text layer; reading needs OCR
    TOO_LARGE = "too_large"  # over a limit on bytes, lines or members
    TOO_DEEP = "too_deep"  # over a limit on nesting
    TIMEOUT = "timeout"  # over a limit on time
    CRASHED = "crashed"  # the reader of this item failed; the item is named, the run went on
    UNREADABLE = "unreadable"  # the file or object could not be opened
    REFUSED = "refused"  # the peer refused this one object
    MISBEHAVED = "misbehaved"  # the peer broke its protocol or a limit
    OUT_OF_SCOPE = "out_of_scope"  # a redirect, referral or address outside the scope
    UNRESOLVED = "unresolved"  # a name did not resolve
    UNPARSED = "unparsed"  # lines or records that no rule could read
    NO_TIME = "no_time"  # a record without a usable time
    NO_ZONE = "no_zone"  # times without a zone, taken as the stated default
    NO_LOG = "no_log"  # a stretch of time that no log speaks for
    NO_COUNT = "no_count"  # a record that ought to count bytes does not
    NOT_GIVEN = "not_given"  # a source that would answer was not handed over
    UNKNOWN_VALUE = "unknown_value"  # a setting whose effective value cannot be known from files
    LOST = "lost"  # answers that got lost on their way to us; how many is an estimate
    RULES = "rules"  # the rules of engagement in the scope file stop before it
    EMPTY = "empty"  # there was nothing in it


class Gap(Record, frozen=True, kw_only=True):
    """Something not examined.

    `place` is for people (a path, a provenance, an endpoint); `count` and `size` say how many
    items and how many bytes it stands for, 0 when that is not known.
    """

    stage: Stage
    reason: Reason
    place: str
    detail: str = ""
    count: int = 1
    size: int = 0
