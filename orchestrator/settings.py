"""Settings: the environment (`ORCHESTRATOR_*`), then one TOML file, then the defaults below."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


class Settings(BaseSettings):
    """Everything that can be set. The file is `orchestrator.toml` here, or what `ORCHESTRATOR_SETTINGS` names."""

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_", extra="forbid", frozen=True)

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
    redact: list[str] = Field(default_factory=list, description="Paths masked on every way out, as specs' `redact`.")
    api_host: str = Field("127.0.0.1", description="Where the HTTP API listens.")
    api_port: int = Field(8_000, ge=1, le=65_535, description="Its port.")
    access: bool = Field(True, description="Whether the HTTP API asks for keys; off only on loopback.")
    dashboard: bool = Field(True, description="Whether the API's process shows the dashboard, if that is installed.")
    dashboard_session_ms: int = Field(43_200_000, ge=1_000, description="So long a log-in to the dashboard holds.")
    rate_per_s: float = Field(100, gt=0, description="Requests a second that a key may make in the long run.")
    rate_burst: int = Field(200, ge=1, description="Requests that it may make at once.")
    max_body_bytes: int = Field(8_388_608, ge=1_024, description="Limit of an HTTP request's body.")
    audit_length: int = Field(100_000, ge=100, description="Entries kept in the audit log.")
    job_retention_ms: int = Field(604_800_000, ge=1_000, description="Bulk jobs are deleted so long after their end.")
    events_kept_ms: int = Field(604_800_000, ge=1_000, description="External events are kept so long.")
    events_dedupe_ms: int = Field(
        86_400_000, ge=0, description="So long a second event with the same key starts no run."
    )
    events_claim_ms: int = Field(15_000, ge=50, description="A listener that is silent for so long loses its events.")
    metrics_retention_ms: int = Field(
        3_024_000_000, ge=3_600_000, description="Sums of metrics by the hour are kept so long."
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
