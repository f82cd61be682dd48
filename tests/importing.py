"""What the tests of imported files share."""

from __future__ import annotations

from pathlib import Path

from leftopen.model.exposure import Observation
from leftopen.model.gap import Gap
from leftopen.reach.imports_reader import open_ports, read_imports


class Files:
    """Writes a file and reads it, as a run does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, content: bytes | str, name: str = "scan") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, content: bytes | str, name: str = "scan") -> list[Observation | Gap]:
        return list(read_imports([self.write(content, name)]))

    def ports(self, content: bytes | str, name: str = "scan") -> list[tuple[str, int] | Gap]:
        return list(open_ports([self.write(content, name)]))

    def seen(self, content: bytes | str, name: str = "scan") -> list[Observation]:
        """The observations of a file without a Gap."""
        found = self.read(content, name)
        assert all(isinstance(item, Observation) for item in found), found
        return [item for item in found if isinstance(item, Observation)]

    def gaps(self, content: bytes | str, name: str = "scan") -> list[Gap]:
        return [item for item in self.read(content, name) if isinstance(item, Gap)]

    def at(self, gap: Gap) -> str:
        """The place of a Gap without the folder."""
        return gap.place.removeprefix(f"{self.folder}/")
