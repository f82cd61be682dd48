"""The stored cases and the library of earlier ones, for the commands."""

from __future__ import annotations

from pathlib import Path

from leftopen.brief.registry import output_format
from leftopen.case.library import PAGE_CHARS, bundled, read_page
from leftopen.model.case import Case, EarlierCase, Investigation
from leftopen.model.errors import UsageError
from leftopen.run.inputs import STORE_FILE, case_folder
from leftopen.store.store import Store


def open_existing(folder: Path, store: str = "") -> Store:
    """The store of a case folder.

    Raises:
        UsageError: there is none.
    """
    if not store and not (folder / STORE_FILE).is_file():
        raise UsageError(f"{folder} holds no case; name one with --dir, or start one: leftopen run")
    return Store.open(store or folder / STORE_FILE)


def stored_cases(folder: Path) -> tuple[Case, ...]:
    """Every case, as its newest report has it."""
    with open_existing(folder) as store:
        return store.cases()


def find_case(folder: Path, uid: str) -> Case:
    """The case whose uid begins with `uid`.

    Raises:
        UsageError: none does, or more than one.
    """
    found = [c for c in stored_cases(folder) if c.uid.startswith(uid)]
    if len(found) != 1:
        said = "no case begins" if not found else f"{len(found)} cases begin"
        raise UsageError(f"{said} with {uid}; see: leftopen cases list")
    return found[0]


def earlier_cases(folder: Path) -> tuple[EarlierCase, ...]:
    """The bundled library and the pages imported into this store, by uid."""
    pages: dict[str, EarlierCase] = {p.uid: p for p in bundled()}
    if (folder / STORE_FILE).is_file():
        with open_existing(folder) as store:
            pages.update({p.uid: p for p in store.pages()})
    return tuple(pages[uid] for uid in sorted(pages))


def import_page(folder: Path, path: Path) -> EarlierCase:
    """Read a brief into the library of this store.

    Raises:
        UsageError: it cannot be read, or is not of the form.
    """
    try:
        if path.stat().st_size > 4 * PAGE_CHARS:
            raise UsageError(f"{path} is too large to be a brief")
        text = path.read_text("utf-8")
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {e.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    page = read_page(text, str(path))
    with Store.open(case_folder(folder) / STORE_FILE) as store:
        store.add_page(page)
    return page


def export_case(folder: Path, uid: str, name: str) -> str:
    """One case alone, in an output format.

    Raises:
        UsageError: no such case or format.
    """
    form = output_format(name)
    return form.render(_alone(folder, find_case(folder, uid)))


def brief_of(folder: Path, case: Case) -> str:
    """One case as a Markdown brief."""
    return output_format("markdown").render(_alone(folder, case))


def _alone(folder: Path, case: Case) -> Investigation:
    """The newest report that holds this case, cut down to it."""
    from msgspec.structs import replace

    with open_existing(folder) as store:
        for info in reversed(store.runs()):
            report = store.investigation(info.run_id)
            if report and any(c.uid == case.uid for c in report.cases):
                return replace(report, cases=(case,), closed=(), other_causes=(), gaps=())
    raise UsageError(f"no report holds case {case.uid}")
