"""Signing in through an organisation's identity provider: OpenID Connect, authorization code with PKCE.

The browser keeps one secret while it is away at the provider. The three values of the protocol that tie the answer to
the question follow from it: the state that comes back, the nonce within the id token, and the verifier of the code.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api import door
from config.settings import Settings
from domain.names import email_address
from domain.roles import Role

_SCOPE: Final = "openid email"
_SECONDS: Final = 10
# Signatures that anyone can check with a published key: whoever knows our secret must not be able to make one.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_LEEWAY_SECONDS: Final = 60
_LONGEST_SUBJECT: Final = 255


class OidcFailure(StrEnum):
    """Why a provider's answer signs nobody in."""

    PROVIDER_FAILED = "provider_failed"
    NOT_BEGUN_HERE = "not_begun_here"
    REFUSED_THERE = "refused_there"
    EMAIL_UNVERIFIED = "email_unverified"
    DOMAIN_NOT_ALLOWED = "domain_not_allowed"


class OidcError(Exception):
    """A sign-in through the provider that comes to nothing."""

    def __init__(self, failure: OidcFailure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for: its lasting name for them, their verified address, and the role it gives.

    ``role`` is None where this installation takes no roles from the provider.
    """

    issuer: str
    subject: str
    email: str
    role: Role | None


def new_secret() -> str:
    """What a browser keeps while it is away."""
    return secrets.token_urlsafe(32)


def _derived(secret: str, use: str) -> str:
    digest = hmac.digest(secret.encode(), use.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class IdentityProvider:
    """The provider that the settings name. It is asked anew for each sign-in, so that its keys are always today's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer or ""

    async def sign_in_address(self, secret: str) -> str:
        """Where a browser that keeps ``secret`` is sent; raises ``OidcError`` when the provider cannot be asked."""
        async with self._client() as client:
            try:
                endpoint = str((await self._metadata(client))["authorization_endpoint"])
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                raise OidcError(OidcFailure.PROVIDER_FAILED) from error
            address, _ = client.create_authorization_url(
                endpoint,
                state=_derived(secret, "state"),
                nonce=_derived(secret, "nonce"),
                code_verifier=_derived(secret, "verifier"),
            )
        return str(address)

    async def identify(self, secret: str, answer: Mapping[str, str]) -> Identity:
        """Who came back with this answer, whose browser keeps ``secret``; raises ``OidcError``."""
        if not hmac.compare_digest(answer.get("state", "").encode(), _derived(secret, "state").encode()):
            raise OidcError(OidcFailure.NOT_BEGUN_HERE)
        if answer.get("iss", self._issuer) != self._issuer:
            # Another provider's answer, sent here so that its code is given to the wrong one (RFC 9207).
            raise OidcError(OidcFailure.NOT_BEGUN_HERE)
        if "code" not in answer:
            raise OidcError(OidcFailure.REFUSED_THERE)
        async with self._client() as client:
            try:
                claims = await self._claims(client, secret, answer["code"])
            except (httpx2.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
                raise OidcError(OidcFailure.PROVIDER_FAILED) from error
        return self._identity(claims)

    def _client(self) -> AsyncOAuth2Client:
        door.leave()
        secret = self._settings.oidc_client_secret
        return AsyncOAuth2Client(
            self._settings.oidc_client_id,
            secret.get_secret_value() if secret else None,
            scope=_SCOPE,
            redirect_uri=f"{self._settings.public_url}/sign-in/provider/callback",
            code_challenge_method="S256",
            timeout=_SECONDS,
        )

    async def _metadata(self, client: AsyncOAuth2Client) -> Mapping[str, Any]:
        metadata = await self._json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata["issuer"] != self._issuer:
            msg = "the provider calls itself by another name"
            raise ValueError(msg)
        return metadata

    async def _json(self, client: AsyncOAuth2Client, address: str, *, is_signed_in: bool = False) -> dict[str, Any]:
        response = await client.request("GET", address, withhold_token=not is_signed_in)
        return dict(response.raise_for_status().json())

    async def _claims(self, client: AsyncOAuth2Client, secret: str, code: str) -> Mapping[str, Any]:
        """What the provider says of whoever it gave the code to: in the id token, and if need be when asked."""
        metadata = await self._metadata(client)
        client.token_endpoint_auth_method = _authentication(metadata, has_secret=bool(client.client_secret))
        token = await client.fetch_token(
            str(metadata["token_endpoint"]), code=code, code_verifier=_derived(secret, "verifier")
        )
        keys = KeySet.import_key_set(await self._json(client, str(metadata["jwks_uri"])))  # type: ignore[arg-type]
        decoded = jwt.decode(str(token["id_token"]), keys, algorithms=_ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": client.client_id},
            },
            params={
                "nonce": _derived(secret, "nonce"),
                "client_id": client.client_id,
                "access_token": token["access_token"],
            },
        )
        claims.validate(leeway=_LEEWAY_SECONDS)
        if "email" in claims or "userinfo_endpoint" not in metadata:
            return dict(claims)
        said = await self._json(client, str(metadata["userinfo_endpoint"]), is_signed_in=True)
        if said["sub"] != claims["sub"]:
            msg = "the provider speaks of somebody else"
            raise ValueError(msg)
        return {**said, **claims}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject = str(claims["sub"])
        if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise OidcError(OidcFailure.PROVIDER_FAILED)
        return Identity(self._issuer, subject, self._email(claims), self._role(claims))

    def _email(self, claims: Mapping[str, Any]) -> str:
        said = claims.get("email_verified", self._settings.oidc_email_is_verified)
        # Some providers write every claim as a text.
        is_verified = said is True or said == "true"
        try:
            email = email_address(str(claims.get("email", "")))
        except ValueError:
            raise OidcError(OidcFailure.EMAIL_UNVERIFIED) from None
        if not is_verified:
            raise OidcError(OidcFailure.EMAIL_UNVERIFIED)
        domains = {domain.lower() for domain in self._settings.oidc_domains}
        if domains and email.rpartition("@")[2].lower() not in domains:
            raise OidcError(OidcFailure.DOMAIN_NOT_ALLOWED)
        return email

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """The first role of the settings whose word the provider's claim holds; a learner's where it holds none."""
        if self._settings.oidc_role_claim is None:
            return None
        said = claims.get(self._settings.oidc_role_claim)
        words = set(map(str, said)) if isinstance(said, Iterable) and not isinstance(said, str) else {said}
        roles = self._settings.oidc_roles
        return next((Role(role) for word, role in roles.items() if word in words), Role.LEARNER)


def _authentication(metadata: Mapping[str, Any], *, has_secret: bool) -> str:
    """How we prove who we are: by header, unless the provider takes it in the form only, or there is no secret."""
    if not has_secret:
        return "none"
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    is_in_form_only = "client_secret_basic" not in methods and "client_secret_post" in methods
    return "client_secret_post" if is_in_form_only else "client_secret_basic"
