"""Claims of tokens: whom they speak for, and every way in which they prove nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.token import LEEWAY, ROLES, Identity, Refusal, Terms, claims_for, is_tenant, judge
from chalicelib.errors import Rejected

NOW = 1_700_000_000.0
HOUR = 3600.0
TERMS = Terms("https://issuer.example/", "cts", "", 24 * HOUR)
CLAIMS: dict[str, Any] = {
    "iss": TERMS.issuer,
    "aud": "cts",
    "sub": "auth0|ann",
    "tenant": "acme",
    "iat": NOW - 10,
    "exp": NOW + HOUR,
}


def judged(terms: Terms = TERMS, now: float = NOW, **changes: Any) -> Identity | Refusal:
    """Judge the claims with the changes; `...` leaves a claim out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    return judge(claims, terms, now)


def test_sound_claims_name_tenant_and_subject() -> None:
    assert judged() == Identity("acme", "auth0|ann", ())
    assert judged(aud=["other", "cts"]) == Identity("acme", "auth0|ann", ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": ...}, "times"),
        ({"iat": ...}, "times"),
        ({"exp": "1700003600"}, "times"),
        ({"exp": True}, "times"),
        ({"exp": None}, "times"),
        ({"exp": float("inf")}, "times"),
        ({"exp": float("nan")}, "times"),
        ({"iat": 10**400}, "times"),
        ({"nbf": "now"}, "times"),
        ({"iss": ...}, "issuer"),
        ({"iss": "https://issuer.example"}, "issuer"),
        ({"iss": [TERMS.issuer]}, "issuer"),
        ({"aud": ...}, "audience"),
        ({"aud": "cts2"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {"cts": 1}}, "audience"),
        ({"exp": NOW}, "expired"),
        ({"exp": NOW - HOUR}, "expired"),
        ({"exp": -1e308}, "expired"),
        ({"iat": NOW + LEEWAY + 1}, "issued in the future"),
        ({"nbf": NOW + LEEWAY + 1}, "not valid yet"),
        ({"exp": NOW + 25 * HOUR}, "life"),
        ({"iat": NOW - 24 * HOUR}, "life"),
        ({"exp": 1e308, "iat": -1e308}, "life"),
        ({"sub": ...}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": "an n"}, "subject"),
        ({"sub": "ann\n"}, "subject"),
        ({"sub": "änn"}, "subject"),
        ({"sub": "a" * 256}, "subject"),
        ({"tenant": ...}, "tenant"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": 7}, "tenant"),
        ({"tenant": ["acme"]}, "tenant"),
        ({"tenant": "Acme"}, "tenant"),
        ({"tenant": "acme#credentials"}, "tenant"),
        ({"tenant": "public"}, "tenant"),
        ({"tenant": "a" * 41}, "tenant"),
        ({"custom:tenant": "other"}, "tenant"),
    ],
)
def test_what_is_wrong_is_a_refusal_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    assert judged(**changes) == Refusal(reason)


def test_clocks_may_differ_by_the_leeway_but_an_expired_token_is_dead() -> None:
    assert isinstance(judged(iat=NOW + LEEWAY, nbf=NOW + LEEWAY), Identity)
    assert judged(now=NOW + HOUR) == Refusal("expired")
    assert isinstance(judged(now=NOW + HOUR - 1), Identity)


def test_the_tenant_comes_from_either_claim_or_from_the_terms() -> None:
    assert judged(tenant=..., **{"custom:tenant": "acme-2"}) == Identity("acme-2", "auth0|ann", ())
    assert judged(**{"custom:tenant": "acme"}) == Identity("acme", "auth0|ann", ())
    alone = Terms(TERMS.issuer, TERMS.audience, "only", TERMS.longest_life)
    assert judged(alone, tenant=...) == Identity("only", "auth0|ann", ())
    assert judged(alone) == Identity("acme", "auth0|ann", ())
    assert judged(alone, tenant="Only") == Refusal("tenant")


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ({"roles": ["trader", "viewer"]}, ("viewer", "trader")),
        ({"roles": "admin openid"}, ("admin",)),
        ({"cognito:groups": ["admin"], "roles": ["viewer"]}, ("viewer", "admin")),
        ({"roles": ["Admin", "root", 7, None]}, ()),
        ({"roles": {"admin": True}}, ()),
        ({"roles": "administrator"}, ()),
    ],
)
def test_only_known_roles_are_taken(changes: dict[str, Any], roles: tuple[str, ...]) -> None:
    assert judged(**changes) == Identity("acme", "auth0|ann", roles)


def test_terms_without_issuer_or_audience_let_nobody_in() -> None:
    assert judged(Terms("", "cts", "", HOUR), iss="") == Refusal("issuer")
    assert judged(Terms(TERMS.issuer, "", "", HOUR), aud="") == Refusal("audience")


@given(tenant=st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True), role=st.sampled_from(ROLES))
def test_claims_for_an_identity_speak_for_it_until_they_expire(tenant: str, role: str) -> None:
    if tenant == "public":
        return
    identity = Identity(tenant, "ann", (role,))
    claims = claims_for(identity, TERMS, NOW, HOUR)
    assert judge(claims, TERMS, NOW) == judge(claims, TERMS, NOW + HOUR - 1) == identity
    assert judge(claims, TERMS, NOW + HOUR) == Refusal("expired")


@pytest.mark.parametrize(
    ("identity", "life", "text"),
    [
        (Identity("acme", "an n"), HOUR, "subject: use 1 to 255"),
        (Identity("Acme", "ann"), HOUR, "tenant: use 1 to 40"),
        (Identity("acme", "ann"), 25 * HOUR, "longer than this stage takes"),
        (Identity("acme", "ann"), 0.5, "at least a second"),
    ],
)
def test_claims_that_would_be_refused_are_not_made(identity: Identity, life: float, text: str) -> None:
    with pytest.raises(Rejected, match=text):
        claims_for(identity, TERMS, NOW, life)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(
    changes=st.dictionaries(
        st.sampled_from([*CLAIMS, "nbf", "roles", "custom:tenant", "cognito:groups"]), _json, min_size=1
    )
)
def test_no_claims_break_the_judge_or_name_somebody_unsound(changes: dict[str, Any]) -> None:
    found = judge({**CLAIMS, **changes}, TERMS, NOW)
    if isinstance(found, Identity):
        assert is_tenant(found.tenant)
        assert found.subject.isascii()
        assert set(found.roles) <= set(ROLES)
