"""What Azure Storage operations hand out, by their names in all of its logs.

learn.microsoft.com/rest/api/storageservices/storage-analytics-logged-operations-and-status-messages
"""

from __future__ import annotations

from urllib.parse import urlsplit

from leftopen.trace.api import Act

OBJECT_MAX, AGENT_MAX = 4096, 200
# How the service's word for the outcome ends where the request broke off.
BROKE_OFF = ("NetworkError", "ClientOtherError", "ClientTimeoutError")

# "...Source": the storage service itself read the object for a copy into another account.
_COPIES = (
    "CopyBlobSource CopyFileSource PutBlobFromURLSource PutBlockFromURLSource "
    "AppendBlockFromURLSource PutPageFromURLSource PutRangeFromURLSource"
)
_GIVES = (
    "GetBlob GetFile ReadFile QueryBlobContents QueryEntity QueryEntities "
    "GetMessage GetMessages PeekMessage PeekMessages"
)
_PARTS = "QueryBlobContents PutBlockFromURLSource AppendBlockFromURLSource PutPageFromURLSource"
_LISTS = (
    "ListBlobs ListContainers ListFilesAndDirectories ListShares ListFilesystems ListFilesystemDir "
    "ListFilesystemFile ListPaths ListQueues QueryTables QueryTable FindBlobsByTags GetBlockList"
)
COPIES = frozenset(_COPIES.split())
GIVES = COPIES | frozenset(_GIVES.split())
PARTS = frozenset(_PARTS.split())
LISTS = frozenset(_LISTS.split())


def act_of(operation: str, status: int, size: int | None, *, cut: bool) -> Act:
    """What one request got; `cut`: the service says that it broke off."""
    if not 200 <= status <= 399:
        return Act.TOUCHED
    if status > 299 or (size == 0 and operation not in COPIES):
        return Act.LOOKED
    if operation in GIVES:
        return Act.PART if cut or status == 206 or operation in PARTS else Act.WHOLE
    return Act.LISTED if operation in LISTS else Act.LOOKED


def sent_of(operation: str, size: int | None, act: Act) -> int | None:
    """The bytes that the caller got, None where nobody says."""
    if operation in COPIES and not size:
        return None  # it went to another account, not to the caller: how much is not said
    return 0 if size is None and act <= Act.LOOKED else size


def object_of(url: str, *otherwise: str) -> str:
    """The path of the object's URL, undecoded; where there is none, the first name that is one."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return next((name for name in (path, *otherwise) if name), "")[:OBJECT_MAX]
