"""The examination of an installation: it finds what is broken, and tells no secret."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

import imgcrypt
from imgcrypt import cipher, compiled, doctor
from imgcrypt.runtime import zoo

SECRETS = {
    "IMGCRYPT_PASSPHRASE": "correct horse",
    "IMGCRYPT_KEY_PASSPHRASE": "battery",
    "IMGCRYPT_KEY_FILE": "/k/secret.txt",
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return doctor.examine()


def test_all_is_well_here(report: dict[str, Any]) -> None:
    assert report["ok"], report
    assert report["imgcrypt"] == imgcrypt.__version__
    assert {"numpy", "numba", "cryptography"} <= report["packages"].keys()
    assert "cpu used" in report["providers"] or "cuda used" in report["providers"]
    assert not any("FAILED" in str(value) for value in report.values())
    assert json.loads(json.dumps(report)) == report


def test_text_has_all_of_it_one_fact_a_line(report: dict[str, Any]) -> None:
    text = doctor.text(report)
    assert "all is as it should be" in text
    for part in (*report["checks"].values(), *report["packages"].values(), report["system"], report["openssl"]):
        assert part in text
    broken = report | {"ok": False, "checks": report["checks"] | {"cipher": "FAILED: why"}}
    assert "NOT as it should be" in doctor.text(broken)
    assert "FAILED: why" in doctor.text(broken)


def test_it_takes_about_a_second(report: dict[str, Any]) -> None:
    # Once all is loaded; ten times that on a machine that does much else.
    assert doctor.examine()["seconds"] < 10


def test_no_secret_and_no_name_of_the_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home" / "somebody"
    home.mkdir(parents=True)
    for name, value in (
        SECRETS | {"HOME": str(home), "USERPROFILE": str(home), "IMGCRYPT_CACHE": str(home / "cache")}
    ).items():
        monkeypatch.setenv(name, value)
    report = doctor.examine()
    said = json.dumps(report) + doctor.text(report)
    for secret in (*SECRETS.values(), str(home), "somebody"):
        assert secret not in said
    assert report["variables"]["IMGCRYPT_CACHE"] == f"~{os.sep}cache"


def test_wrong_ciphertext_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "encipher", lambda data, key: data)
    report = doctor.examine()
    assert not report["ok"]
    assert report["checks"]["cipher"].startswith("FAILED: the ciphertext is another one")


def test_other_weights_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def hexdigest(self) -> str:
            return "0" * 64

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "sha256", lambda *_: Other())
        patch.setattr(doctor, "_self_tests", dict)
        report = doctor.examine()
    assert not report["ok"]
    assert "is not the file that its manifest names" in report["checks"]["weights of the nets"]
    assert len(zoo.entries()) > 1


def test_installation_that_is_broken_anywhere_is_still_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(imgcrypt, "decrypt", fail)
    monkeypatch.setattr(zoo, "choose", fail)
    monkeypatch.setattr(compiled, "folders", lambda: iter(()))
    report = doctor.examine()
    assert not report["ok"]
    assert report["checks"]["frozen files"] == "FAILED: OSError: no such library"
    assert report["providers"] == "FAILED: OSError: no such library"
    assert "IMGCRYPT_CACHE" in report["checks"]["cache of compiled kernels"]
    assert report["checks"]["cipher"] == "ok"
