"""Settings: the environment (`ORCHESTRATOR_*`), then one TOML file, then the defaults below."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

WEBHOOK: Final = "webhook+"
"""What stands before `http://` and `https://` in the URL of a channel that is a signed webhook of ours."""
LEAST_SECRET: Final = 24
"""Bytes that a webhook's secret has at least."""

AlertKind = Literal["sla", "failed", "compensation_failed", "attention", "dead_event", "missed_schedule", "no_worker"]
AlertLevel = Literal["warning", "error", "critical"]


class AlertChannel(BaseModel):
    """Where alerts go, and which. A plain text is the URL alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    """A URL of apprise, or `webhook+https://…`."""
    secret: SecretStr | None = None
    """Of a webhook: base64, perhaps behind `whsec_`; several, by blanks, while one takes another's place."""
    on: tuple[AlertKind, ...] = ("sla", "compensation_failed", "attention")
    min_level: AlertLevel = "warning"

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: Any) -> Any:
        return {"url": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """No message tells what the URL or the secret is."""
        url = self.url.get_secret_value()
        scheme, separator, _ = url.partition("://")
        if not separator or not scheme:
            raise ValueError("the URL of an alert channel begins with what it is, as `mailto://` or `webhook+https://`")
        if not self.is_webhook:
            if self.secret is not None:
                raise ValueError("only a channel at `webhook+https://…` has a `secret`")
            return self
        parts = urlsplit(url.removeprefix(WEBHOOK))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a webhook is at `webhook+https://host/…` or `webhook+http://host/…`")
        if self.secret is None:
            raise ValueError("a webhook needs a `secret` to sign with; `openssl rand -base64 32` makes one")
        for one in self.secret.get_secret_value().split() or [""]:
            if not _is_secret(one):
                raise ValueError(
                    f"a webhook's secret is base64 of {LEAST_SECRET} bytes or more, perhaps after `whsec_`"
                )
        return self

    @property
    def is_webhook(self) -> bool:
        """Whether it is a signed webhook of ours; else apprise knows what it is."""
        return self.url.get_secret_value().startswith(WEBHOOK)

    @property
    def shown(self) -> str:
        """The URL as it may be shown: what it is, and of a webhook the host; the rest may be secret."""
        url = self.url.get_secret_value()
        scheme = url.partition("://")[0]
        host = urlsplit(url.removeprefix(WEBHOOK)).hostname if self.is_webhook else None
        return f"{scheme}://{f'{host}/' if host else ''}***"


def _is_secret(text: str) -> bool:
    try:
        return len(b64decode(text.removeprefix("whsec_"), validate=True)) >= LEAST_SECRET
    except ValueError:
        return False


def _channel_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise ValueError("a channel's name is a letter, then at most 63 letters, digits, `-` and `_`")
    return name


class Settings(BaseSettings):
    """Everything that can be set. The file is `orchestrator.toml` here, or what `ORCHESTRATOR_SETTINGS` names."""

    model_config = SettingsConfigDict(
        env_prefix="ORCHESTRATOR_", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Where the state lives: Redis >= 6.2 or Valkey.")
    broker_url: str | None = Field(None, description="Celery's broker; the state's Redis if not given.")
    namespace: str = Field("orchestrator", description="First part of every key of ours.")
    shards: int = Field(16, ge=1, le=256, description="Slots that runs spread over; fixed for the life of the data.")
    operations: list[str] = Field(default_factory=list, description="Modules that define operations.")

    lease_ms: int = Field(15_000, ge=200, description="A worker that is silent for so long is taken for dead.")
    heartbeat_ms: int = Field(5_000, ge=50, description="How often a worker renews its leases.")
    sweep_ms: int = Field(1_000, ge=20, description="How often the sweeper looks for what is due.")
    resend_ms: int = Field(2_000, ge=50, description="First resend of a step nobody took; doubles up to 5 minutes.")
    slice_ms: int = Field(50, ge=0, description="How long one message goes on with the next steps; 0: one step.")
    max_payload_bytes: int = Field(262_144, ge=1_024, description="Limit of a run's input and of each output.")
    lanes: int = Field(4, ge=1, description="Messages that short steps beside each other are dealt out to.")
    inline_bytes: int = Field(65_536, ge=0, description="Larger inputs and outputs are kept beside their run.")
    payload_store: str = Field("redis", description="Where: redis, file:///folder or s3://bucket/prefix.")
    compress_payloads: bool = Field(True, description="Compress what is kept there, where that saves a fifth.")
    message_bytes: int = Field(6_144, ge=2_048, description="Longer chains are cut to fit.")
    feed_length: int = Field(10_000, ge=100, description="Events kept in each shard's feed.")
    retention_ms: int = Field(604_800_000, ge=0, description="Runs are deleted so long after their end; 0: never.")
    tombstones_ms: int = Field(1_209_600_000, ge=0, description="So long a deleted run's id cannot be used again.")
    archive_url: str | None = Field(
        None, description="Where runs are kept for longer: sqlite:///file or postgresql+psycopg://…; none: nowhere."
    )
    archive_retention_ms: int = Field(0, ge=0, description="Runs leave the archive so long after their end; 0: never.")
    redact: list[str] = Field(default_factory=list, description="Paths masked on every way out, as specs' `redact`.")
    api_host: str = Field("127.0.0.1", description="Where the HTTP API listens.")
    api_port: int = Field(8_000, ge=1, le=65_535, description="Its port.")
    access: bool = Field(True, description="Whether the HTTP API asks for keys; off only on loopback.")
    dashboard: bool = Field(True, description="Whether the API's process shows the dashboard, if that is installed.")
    dashboard_session_ms: int = Field(43_200_000, ge=1_000, description="So long a log-in to the dashboard holds.")
    rate_per_s: float = Field(100, gt=0, description="Requests a second that a key may make in the long run.")
    rate_burst: int = Field(200, ge=1, description="Requests that it may make at once.")
    max_body_bytes: int = Field(8_388_608, ge=1_024, description="Limit of an HTTP request's body.")
    audit_length: int = Field(
        100_000, ge=100, description="Entries of the audit log; as many again of starts and events."
    )
    job_retention_ms: int = Field(604_800_000, ge=1_000, description="Bulk jobs are deleted so long after their end.")
    events_kept_ms: int = Field(604_800_000, ge=1_000, description="External events are kept so long.")
    events_dedupe_ms: int = Field(
        86_400_000, ge=0, description="So long a second event with the same key starts no run."
    )
    events_claim_ms: int = Field(15_000, ge=50, description="A listener that is silent for so long loses its events.")
    alerts: dict[Annotated[str, AfterValidator(_channel_name)], AlertChannel] = Field(
        default_factory=dict, description="Channels for alerts: name to URL, or to a table of `url`, `on` and so on."
    )
    alert_group_ms: int = Field(60_000, ge=0, description="Alerts of one kind within it go out as one message.")
    alert_retry_ms: list[Annotated[int, Field(ge=0)]] = Field(
        default=[60_000, 240_000, 900_000, 2_400_000],
        description="Pauses between the tries to deliver an alert; after the last try it is dead.",
    )
    alert_timeout_ms: int = Field(10_000, ge=50, description="A webhook that is silent for so long has not answered.")
    alerts_kept_ms: int = Field(2_592_000_000, ge=1_000, description="Alerts and their deliveries are kept so long.")
    metrics_retention_ms: int = Field(
        3_024_000_000, ge=3_600_000, description="Sums of metrics by the hour and the day are kept so long."
    )
    metrics_steps: bool = Field(False, description="Whether `/metrics` has series for each step.")
    metrics_public: bool = Field(False, description="Whether `/metrics` needs no key though all else does.")
    log_json: bool | None = Field(None, description="JSON logs; by default unless stderr is a terminal.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @property
    def broker(self) -> str:
        """The broker's URL."""
        return self.broker_url or self.redis_url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic-settings passes them by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        path = Path(os.environ.get("ORCHESTRATOR_SETTINGS", "orchestrator.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)
