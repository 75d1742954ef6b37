"""Every setting of Laurel, read once from the environment (prefix ``LAUREL_``), and from ``.env``.

A secret may come from a file: ``LAUREL_DATABASE_URL_FILE=/run/secrets/database-url``.
The connection to Temporal is the exception: it uses the SDK's own standard variables
(``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_TLS`` ...), read in ``config.temporal``.
"""

import os
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, HttpUrl, PositiveInt, SecretStr, TypeAdapter, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SOURCES = SettingsConfigDict(env_prefix="LAUREL_", env_file=".env", extra="ignore", frozen=True)


class Settings(BaseSettings):
    """Read by every process; ``docs/configuration.md`` explains each field to operators."""

    model_config = _SOURCES

    database_url: str = Field(
        default="postgresql://laurel@localhost:5432/laurel",
        description="The PostgreSQL database (15 to 18) that holds the record, as processes use it.",
    )
    owner_database_url: str | None = Field(
        default=None,
        description="The same database as the owner of its tables, for migrations and the purge; else as processes do.",
    )
    database_pool_size: PositiveInt = Field(
        default=10, description="Database connections that one process may hold open."
    )
    smtp_url: str = Field(
        default="smtp://localhost:1025",
        description="Outgoing mail: smtp://, smtp+starttls:// or smtps://, with user:password@ where needed.",
    )
    smtp_ca_file: Path | None = Field(
        default=None, description="PEM file with the authority that signed the mail server's certificate, if private."
    )
    mail_from: str = Field(
        default="Laurel <credit@laurel.example>", description="Sender of every mail: an address, or Name <address>."
    )
    public_url: str = Field(
        default="http://localhost:8000",
        description="Address of the API as learners see it; links, QR codes and verification addresses start with it.",
    )
    help_contact: str | None = Field(
        default=None, description="Whom people ask about this site, on its pages: an address or telephone number."
    )
    temporal_ui_url: str = Field(
        default="http://localhost:8233", description="Address of the Temporal Web UI, for links shown to staff."
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Origins of learner front ends that browsers may call the API from (JSON list)."
    )
    keys_dir: Path = Field(
        default=Path("keys"),
        description="Folder with the private keys that sign credentials and the audit trail; only workers need it.",
    )
    pdf_signing_pkcs12: Path | None = Field(
        default=None,
        description="PKCS#12 file with key and certificate that sign each PDF (PAdES); else none is signed.",
    )
    pdf_signing_password_file: Path | None = Field(
        default=None, description="File with the password of LAUREL_PDF_SIGNING_PKCS12, if it has one."
    )
    sign_in_link_minutes: PositiveInt = Field(default=10, description="Minutes for which a sign-in link works.")
    session_hours: PositiveInt = Field(default=12, description="Hours after which a session ends in any case.")
    session_idle_minutes: int = Field(default=120, ge=10, description="Minutes without use after which a session ends.")
    sign_in_links_per_hour: PositiveInt = Field(
        default=10, description="Sign-in links that one address may ask for in an hour."
    )
    oidc_issuer: str | None = Field(
        default=None, description="Address of the identity provider that people may sign in through (OpenID Connect)."
    )
    oidc_client_id: str | None = Field(default=None, description="Name under which the provider knows Laurel.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="Secret that goes with it, if it has one.")
    oidc_name: str = Field(default="your organisation", description="What the button to sign in calls the provider.")
    oidc_domains: tuple[str, ...] = Field(
        default=(), description="Domains whose e-mail addresses the provider may vouch for (JSON list); else all."
    )
    oidc_email_is_verified: bool = Field(
        default=False, description="Whether addresses count as verified of which the provider does not say so."
    )
    oidc_role_claim: str | None = Field(
        default=None, description="Claim by which the provider gives roles, such as groups; else it gives none."
    )
    oidc_roles: dict[str, Literal["viewer", "coordinator", "approver", "auditor", "administrator"]] = Field(
        default={}, description="Role for each word of that claim (JSON object); the first one that fits counts."
    )
    requests_per_minute: PositiveInt = Field(
        default=1200, description="Requests that one signed-in account, or one unknown address, may make in a minute."
    )
    correction_needs_approval: bool = Field(
        default=False, description="Whether a second person must agree before an award or a certificate is corrected."
    )
    revocation_needs_approval: bool = Field(
        default=False, description="Whether a second person must agree before an award is revoked, or that taken back."
    )
    workflow_slots: PositiveInt = Field(default=12, ge=6, description="Workflow tasks that one worker runs at once.")
    activity_slots: PositiveInt = Field(default=10, description="Activities that one worker runs at once.")
    workflow_cache: int = Field(default=1000, ge=0, description="Claims that one worker keeps in memory.")
    deployment: str | None = Field(
        default=None, description="Worker Deployment of Temporal's that workers belong to, if any."
    )
    build_id: str | None = Field(
        default=None, description="Name of this build in the deployment; else the version of Laurel."
    )
    pollers: int = Field(
        default=10, ge=2, description="Requests for work that one worker keeps open at most, for each kind of work."
    )
    render_memory_mb: PositiveInt = Field(
        default=512, description="Megabytes that rendering one certificate may take beyond what the libraries need."
    )
    # The activity that renders may take 20 seconds in all: this bound has to come first, or it is none.
    render_seconds: PositiveInt = Field(
        default=10, le=15, description="Seconds that rendering one certificate may take, at most 15."
    )
    audit_checkpoint_seconds: PositiveInt = Field(
        default=60, description="Seconds after which what is new in the audit trail is signed."
    )
    audit_anchor_file: Path | None = Field(
        default=None, description="File that signed checkpoints are appended to; best on another machine's disk."
    )
    audit_anchor_email: str | None = Field(
        default=None, description="Address outside that gets the newest signed checkpoint once a day."
    )
    stop_seconds: PositiveInt = Field(
        default=25, description="Seconds in which a worker that is told to stop may finish what it began."
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port on which a worker serves /metrics, /healthz and /readyz."
    )
    sdk_metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Port on which a worker serves the metrics of Temporal's SDK."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log line."
    )
    log_format: Literal["console", "json"] = Field(default="console", description="How log lines are written.")

    @field_validator("public_url", "temporal_ui_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        TypeAdapter(HttpUrl).validate_python(value)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _provider_is_complete(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            msg = "LAUREL_OIDC_ISSUER and LAUREL_OIDC_CLIENT_ID belong together"
            raise ValueError(msg)
        if self.oidc_roles and self.oidc_role_claim is None:
            msg = "LAUREL_OIDC_ROLES needs LAUREL_OIDC_ROLE_CLAIM"
            raise ValueError(msg)
        return self

    @property
    def oidc_provider(self) -> str | None:
        """What the identity provider is called; None when there is none."""
        return self.oidc_name if self.oidc_issuer else None

    @property
    def sign_in_link_life(self) -> timedelta:
        """How long a sign-in link works."""
        return timedelta(minutes=self.sign_in_link_minutes)

    @property
    def session_life(self) -> timedelta:
        """How long a session lasts at most."""
        return timedelta(hours=self.session_hours)

    @property
    def session_idle(self) -> timedelta:
        """How long a session lasts that nobody uses."""
        return timedelta(minutes=self.session_idle_minutes)


class _SecretFiles(BaseSettings):
    """The files that secrets come from: path by setting."""

    model_config = _SOURCES

    database_url_file: str | None = None
    owner_database_url_file: str | None = None
    smtp_url_file: str | None = None
    oidc_client_secret_file: str | None = None


@cache
def load_settings() -> Settings:
    """Read the settings once per process; a wrong value raises ``pydantic.ValidationError`` that names it."""
    from_files: dict[str, str] = {}
    for field, path in _SecretFiles():
        name = field.removesuffix("_file")
        variable = f"LAUREL_{name.upper()}"
        # A file goes before a value that is said in the same place, and the environment before ``.env``.
        if path and (f"{variable}_FILE" in os.environ or variable not in os.environ):
            from_files[name] = Path(path).read_text().strip()
    return Settings(**from_files)  # type: ignore[arg-type]  # the secrets are all strings
