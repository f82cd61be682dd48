"""What the Kubernetes API and a kubelet answer: lists, and the Status of a refusal.

Types as in https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/ (ListMeta,
Status, ObjectMeta); a count of what is left behind the first page is remainingItemCount, which
servers before 1.15 leave out.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from leftopen.model.exposure import Size

MOST: Final = 2**53  # a count beyond it is none


class Status(msgspec.Struct, rename="camel"):
    """A refusal or an error."""

    kind: Literal["Status"]
    api_version: Literal["v1"]
    code: int
    message: str = ""
    reason: str = ""


class Version(msgspec.Struct, rename="camel"):
    """The answer to GET /version."""

    major: str
    minor: str
    git_version: str
    go_version: str


class Paths(msgspec.Struct):
    """The answer to GET / of an API server that lets a stranger in."""

    paths: list[str]


class ObjectMeta(msgspec.Struct):
    """Of an object, what names it."""

    name: str
    namespace: str = ""


class Item(msgspec.Struct):
    """One object of a list; what else it says is left unread."""

    metadata: ObjectMeta


class ListMeta(msgspec.Struct, rename="camel"):
    """Of a list, what says how much is left."""

    remaining_item_count: int | None = None
    continue_: str = msgspec.field(name="continue", default="")


class Listed(msgspec.Struct, rename="camel"):
    """A list of objects; `items` is null where the list is empty and the server old."""

    kind: str
    api_version: Literal["v1"]
    metadata: ListMeta
    items: list[Item] | None

    def size(self, unit: str) -> Size | None:
        """How many there are: this page and what is left; a lower bound where it is not said."""
        left = self.metadata.remaining_item_count
        if left is not None and not 0 <= left < MOST:
            return None
        more = bool(self.metadata.continue_)
        return Size(
            objects=len(self.items or ()) + (left or 0),
            unit=unit,
            basis="items and remainingItemCount" if left is not None else "items of the first page",
            complete=left is not None or not more,
        )
