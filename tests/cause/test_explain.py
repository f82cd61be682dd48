"""Files and folders: what is recognised, what belongs together, and what becomes a Gap."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from leftopen.cause.explain import explain, explain_texts, explain_unit, list_units
from leftopen.cause.registry import rules
from leftopen.model.cause import Cause, Truth
from leftopen.model.errors import UsageError
from leftopen.model.gap import Gap, Reason, Stage

YES, NO = Truth.YES, Truth.NO
MAIN = "events {}\nhttp {\n  include /etc/nginx/conf.d/*.conf;\n"
MAIN += "  include /etc/nginx/sites-enabled/*;\n}\n"
SITE = "server {\n  listen 80;\n  root /srv/mail;\n  autoindex on;\n}\n"


def _write(base: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return base


def _split(paths: list[Path]) -> tuple[list[Cause], list[Gap]]:
    found = list(explain(paths))
    causes = [f for f in found if isinstance(f, Cause)]
    return causes, [f for f in found if isinstance(f, Gap)]


def test_copied_tree_with_absolute_includes_and_links(tmp_path: Path) -> None:
    base = _write(
        tmp_path / "host1",
        {
            "etc/nginx/nginx.conf": MAIN,
            "etc/nginx/sites-available/mail": SITE,
            "etc/nginx/sites-available/old": SITE.replace("80", "81"),
        },
    )
    (base / "etc/nginx/conf.d").mkdir()
    (base / "etc/nginx/sites-enabled").mkdir()
    (base / "etc/nginx/sites-enabled/mail").symlink_to("/etc/nginx/sites-available/mail")
    causes, gaps = _split([base])
    assert [(c.open, c.ports) for c in causes] == [(YES, (80,))]  # the other one is not enabled
    assert gaps == []
    assert causes[0].changed
    for path in (base / "etc/nginx", base / "etc/nginx/nginx.conf"):
        assert [(c.open, c.ports) for c in _split([path])[0]] == [(YES, (80,))]


def test_include_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.conf"
    secret.write_text(SITE)
    for target in ("../secret.conf", str(secret), "../*.conf"):
        base = _write(tmp_path / "etc", {"nginx.conf": f"http {{ include {target}; }}\n"})
        causes, gaps = _split([base])
        assert causes == []
        assert [g.reason for g in gaps] in ([Reason.NOT_GIVEN], [Reason.OUT_OF_SCOPE])
    (base / "link.conf").symlink_to(secret)
    (base / "nginx.conf").write_text("http { include link.conf; }\n")
    causes, gaps = _split([base / "nginx.conf"])
    assert causes == []
    assert gaps[0].reason is not None


def test_part_alone(tmp_path: Path) -> None:
    path = _write(tmp_path, {"mail.conf": SITE}) / "mail.conf"
    causes, gaps = _split([path])
    assert [c.open for c in causes] == [YES]
    assert [g.reason for g in gaps] == [Reason.NOT_GIVEN]


def test_redis_include_is_no_configuration_of_its_own(tmp_path: Path) -> None:
    texts = {
        "redis.conf": "bind 0.0.0.0\nprotected-mode no\ninclude /etc/redis/redis-local.conf\n",
        "redis-local.conf": "requirepass x\nport 6379\n",
    }
    causes, _ = _split([_write(tmp_path, texts)])
    assert [c.open for c in causes] == [NO]


def test_postgresql_pair_is_one_unit(tmp_path: Path) -> None:
    texts = {
        "15/main/pg_hba.conf": "host all all 0.0.0.0/0 trust\n",
        "15/main/postgresql.conf": "listen_addresses = '*'\n",
    }
    base = _write(tmp_path, texts)
    causes, gaps = _split([base])
    assert [c.open for c in causes] == [YES]
    assert [Path(g.place).name for g in gaps] == ["postgresql.auto.conf"]
    assert [c.open for c in _split([base / "15/main/postgresql.conf"])[0]] == [YES]
    (base / "15/main/postgresql.conf").unlink()
    causes, gaps = _split([base])
    assert [c.open for c in causes] == [Truth.UNKNOWN]
    assert "postgresql.conf" in {Path(g.place).name for g in gaps}


def test_unrecognised_files_are_counted_once(tmp_path: Path) -> None:
    texts = {f"note{i}.txt": "hello\n" for i in range(5)}
    texts["vsftpd.conf"] = "listen=YES\n"
    texts["vsftpd.conf.bak"] = "listen=YES\n"
    causes, gaps = _split([_write(tmp_path, texts)])
    assert len(causes) == 1
    assert [(g.reason, g.count) for g in gaps] == [(Reason.UNSUPPORTED, 6)]


def test_named_files_have_their_own_gap(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.bin").write_bytes(b"\0\1\2")
    (tmp_path / "empty").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    names = ("a.txt", "b.bin", "empty", "pipe", "dangling")
    causes, gaps = _split([tmp_path / name for name in names])
    assert causes == []
    assert [g.reason for g in gaps] == [
        Reason.UNSUPPORTED,
        Reason.UNSUPPORTED,
        Reason.EMPTY,
        Reason.UNREADABLE,
        Reason.UNREADABLE,
    ]
    assert all(g.stage is Stage.CAUSE and g.place for g in gaps)


def test_missing_path_is_one_line() -> None:
    with pytest.raises(UsageError) as error:
        list(explain(["/nowhere/nginx.conf"]))
    assert len(str(error.value).splitlines()) == 1


def test_units_are_stable_and_resumable(tmp_path: Path) -> None:
    base = _write(tmp_path, {"vsftpd.conf": "listen=YES\n", "redis.conf": "port 6379\n"})
    units = list_units([base, base / "redis.conf"])
    assert units == list_units([base, base / "redis.conf"])
    assert len(units) == len(set(units)) == 3
    one_by_one = [f for unit in units for f in explain_unit(unit)]
    assert one_by_one == list(explain([base, base / "redis.conf"]))


@pytest.mark.parametrize("unit", ["", "x", "[]", "[1]", '{"a": 1}'])
def test_not_a_unit(unit: str) -> None:
    with pytest.raises(UsageError):
        list(explain_unit(unit))


def test_versions(tmp_path: Path) -> None:
    path = _write(tmp_path, {"redis.conf": "bind 0.0.0.0\n"}) / "redis.conf"
    for version, expected in (("7.2.4", NO), ("6.2.14", YES)):
        (cause,) = explain([path], versions={"redis": version})
        assert isinstance(cause, Cause)
        assert cause.open is expected


def test_cloud_snapshot_is_recognised(tmp_path: Path) -> None:
    text = '{"name": "n", "securityRules": []}'
    (cause,) = explain([_write(tmp_path, {"nsg.json": text}) / "nsg.json"])
    assert isinstance(cause, Cause)
    assert (cause.product, cause.open) == ("azure_nsg", NO)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("smb.conf", "[global]\nworkgroup = X\n[share]\npath = /srv\nread only = yes\n"),
        ("fstab", "/dev/sda1 / ext4 defaults 0 1\n"),
        ("package.json", '{"name": "x"}'),
        ("app.py", "import http.server\n"),
        ("haproxy.cfg", "frontend x\n  bind *:80\n"),
        ("sshd_config", "Port 22\nPermitRootLogin no\n"),
    ],
)
def test_others_are_not_taken(tmp_path: Path, name: str, text: str) -> None:
    causes, gaps = _split([_write(tmp_path, {name: text}) / name])
    assert causes == []
    assert [g.reason for g in gaps] == [Reason.UNSUPPORTED]


@pytest.mark.parametrize(("plugin", "rule"), [(s, r) for s in rules() for r in s.rules])
def test_examples_are_recognised_by_content(tmp_path: Path, plugin, rule) -> None:  # type: ignore[no-untyped-def]
    texts = {f"host-{i}": text for i, text in enumerate(rule.bad.values())}
    base = _write(tmp_path, texts)
    assert f'["{plugin.product}"' in " ".join(list_units([base / "host-0"]))


@pytest.mark.parametrize("name", ["nginx", "redis", "dovecot", "vsftpd.conf", "postgresql"])
def test_debian_defaults_raise_no_alarm(name: str) -> None:
    path = Path("/etc") / name
    if not path.exists():
        pytest.skip(f"{path} is not installed here")
    causes, gaps = _split([path])
    assert causes
    assert [c.title for c in causes if c.open is YES] == []
    assert all(g.reason is not Reason.CRASHED for g in gaps)


def test_no_alarm_on_a_copy_of_nginx(tmp_path: Path) -> None:
    if not Path("/etc/nginx").exists():
        pytest.skip("/etc/nginx is not installed here")
    shutil.copytree("/etc/nginx", tmp_path / "etc/nginx", symlinks=True)
    causes, _ = _split([tmp_path])
    assert [c.open for c in causes] == [Truth.UNKNOWN]
    assert str(causes[0].factors[0].origin.file).startswith(str(tmp_path))


def test_texts_need_a_known_product() -> None:
    with pytest.raises(KeyError):
        list(explain_texts("nothing", {"a": ""}))


def test_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "vsftpd.conf").write_text("listen=YES\n")
    (tmp_path / "closed").mkdir(mode=0o000)
    try:
        causes, gaps = _split([tmp_path])
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert len(causes) == 1
    # The administrator may list every folder.
    assert [g.reason for g in gaps] == ([] if os.getuid() == 0 else [Reason.UNREADABLE])


def test_empty_folder_says_so(tmp_path: Path) -> None:
    _, gaps = _split([tmp_path])
    assert [g.reason for g in gaps] == [Reason.EMPTY]


def test_folders_beyond_the_limit(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "vsftpd.conf").write_text("listen=YES\n")
    causes, gaps = _split([tmp_path])
    assert causes == []
    assert [g.reason for g in gaps] == [Reason.TOO_DEEP]
