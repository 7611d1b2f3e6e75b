import os
import time

import pytest

from celltransfer_core.web import SignInError, SignIns, person
from celltransfer_core.web.sign_in import SIGN_IN_LASTS

ANN = {"iss": "https://id.example", "sub": "7"}


def of(**claims):
    return {**ANN, "iat": int(time.time()), "nonce": "n1", **claims}


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({"email": "ann@x.example", "email_verified": True, "name": "Ann"}, "ann@x.example"),
        ({"email": "ann@x.example", "email_verified": "true"}, "ann@x.example"),
        ({"email": "boss@x.example", "email_verified": False, "name": "Ann"}, "Ann"),
        ({"email": "boss@x.example", "name": "Ann"}, "Ann"),
        ({"email": "boss@x.example"}, "7"),
        ({"name": " Ann\n\u202eSmith\0 "}, "Ann Smith"),
        ({"name": "A" * 500}, "A" * 60),
        ({"name": ["Ann"], "email": 3}, "7"),
    ],
)
def test_an_address_is_shown_only_if_the_provider_verified_it(claims, shown):
    name, _, mark = person({**ANN, **claims}).rpartition(" ")
    assert name == shown
    assert mark == person(ANN).rpartition(" ")[2]  # whatever is shown, it is the same person


def test_who_somebody_is_comes_from_issuer_and_subject():
    same = {"email": "ann@x.example", "email_verified": True}
    people = [
        person({"iss": issuer, "sub": subject, **same})
        for issuer in ("https://id.example", "https://other.example")
        for subject in ("7", "8")
    ]
    assert len(set(people)) == 4


@pytest.mark.parametrize("missing", ["iss", "sub"])
@pytest.mark.parametrize("claim", [None, "", " ", 7])
def test_nobody_decides_without_an_identity(missing, claim):
    claims = {**ANN, "email": "ann@x.example", "email_verified": True, missing: claim}
    with pytest.raises(SignInError, match="does not identify you"):
        person(claims)


def test_a_sign_in_stands_for_its_time(tmp_path):
    kept, now = SignIns(tmp_path), time.time()
    assert kept.stands(of())
    assert kept.stands(of(iat=now - SIGN_IN_LASTS + 60))
    assert not kept.stands(of(iat=now - SIGN_IN_LASTS - 1))
    assert not kept.stands(of(iat=now + 3600))
    for iat in (None, "", True, [now]):
        assert not kept.stands(of(iat=iat))


def test_a_sign_out_ends_one_sign_in_on_every_server_and_after_a_restart(tmp_path):
    here, there = SignIns(tmp_path), SignIns(tmp_path)
    ended, again = of(), of(nonce="n2")
    here.end(ended)
    for kept in (here, there, SignIns(tmp_path)):
        assert not kept.stands(ended)
        assert kept.stands(again)


def test_a_sign_out_holds_on_a_full_disk_and_old_ones_are_forgotten(tmp_path, monkeypatch):
    kept = SignIns(tmp_path)
    kept.end(of(nonce="old"))
    (old,) = (tmp_path / "signed-out").iterdir()
    os.utime(old, (0, 0))
    kept.end(of())
    assert old not in list((tmp_path / "signed-out").iterdir())
    elsewhere = SignIns(tmp_path / "file")
    (tmp_path / "file").write_text("no folder")
    elsewhere.end(of())
    assert not elsewhere.stands(of())
