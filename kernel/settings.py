"""Every setting, with its default and its unit. The only reader of the environment.

`docs/settings.md` is generated from this file (`medflow settings --markdown`).
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

PREFIX = "MEDFLOW_"
Level = Literal["off", "structure", "strict", "profiles-declared", "profiles-required"]
"""How far writes are checked."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Group(BaseModel):
    """A frozen group of settings; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(Group):
    """HTTP server: FHIR, DICOMweb, pages."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65_535, description="TCP port; 0 picks a free one.")
    public_url: str = Field(
        default="", description="URL that clients see, if a proxy stands in front; empty: as asked."
    )
    max_body_bytes: int = Field(
        default=64 << 20, gt=0, description="Longest request body accepted, bytes."
    )
    cors_origins: str = Field(
        default="*",
        description="Origins of web pages that may call us, comma separated; `*` all, empty none.",
    )


class Hl7(Group):
    """HL7 v2 listener (MLLP)."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=2575, ge=0, le=65_535, description="TCP port; 0 picks a free one.")
    max_message_bytes: int = Field(
        default=16 << 20, gt=0, description="Longest message accepted, bytes."
    )
    frame_timeout_s: float = Field(
        default=30.0, gt=0, description="Close a peer that leaves a message unfinished, seconds."
    )
    idle_timeout_s: float = Field(
        default=0.0, ge=0, description="Close a silent peer after, seconds; 0 never."
    )
    max_connections: int = Field(default=512, gt=0, description="Connections open at once.")
    charset: str = Field(
        default="cp1252", description="Codec for messages without MSH-18 that are not UTF-8."
    )
    time_zone: str = Field(
        default="UTC", description="IANA zone of times that come without an offset."
    )
    processing_id: str = Field(
        default="P", description="MSH-11 values accepted, comma separated (table 0103)."
    )
    allowed_peers: str = Field(
        default="127.0.0.0/8,::1/128",
        description="Networks (CIDR, comma separated) whose messages are accepted.",
    )


class Dicom(Group):
    """DICOM node (DIMSE) and its archive."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=11_112, ge=0, le=65_535, description="TCP port; 0 picks a free one.")
    ae_title: str = Field(
        default="MEDFLOW", min_length=1, max_length=16, description="Our AE title."
    )
    allowed_peers: str = Field(
        default="127.0.0.0/8,::1/128",
        description="Networks (CIDR, comma separated) whose associations are accepted.",
    )
    max_associations: int = Field(default=64, gt=0, description="Associations open at once.")
    max_pdu_bytes: int = Field(default=131_072, ge=4096, description="Longest PDU accepted, bytes.")
    max_object_bytes: int = Field(default=8 << 30, gt=0, description="Longest instance, bytes.")
    network_timeout_s: float = Field(
        default=60.0, gt=0, description="Close a silent association after, seconds."
    )
    min_free_bytes: int = Field(
        default=256 << 20,
        ge=0,
        description="Refuse images (A700) below this much free disk, bytes.",
    )


class Ai(Group):
    """AI adapters."""

    models: str = Field(
        default="constant", description="Models to run, comma separated; empty runs none."
    )
    timeout_s: float = Field(default=300.0, gt=0, description="Longest run of one model, seconds.")
    attempts: int = Field(
        default=3, gt=0, description="Attempts at one study before a run is recorded as failed."
    )


class Auth(Group):
    """Who may do what."""

    mode: Literal["builtin", "brokered", "delegated", "open"] = Field(
        default="builtin",
        description="`builtin`, or `open`: no authentication, every listener on loopback only."
        " `brokered` and `delegated` are reserved and refused at start.",
    )
    token_lifetime_s: int = Field(
        default=3600, gt=0, description="Lifetime of an access token, seconds."
    )


class Fhir(Group):
    """The FHIR engine."""

    validation: Level = Field(
        default="structure", description="What each write is checked for; each includes the former."
    )
    validation_by_type: str = Field(
        default="",
        description="Other levels for some types, comma separated: `Observation=strict,Basic=off`.",
    )
    default_count: int = Field(default=20, gt=0, description="Matches on a search page.")
    max_count: int = Field(default=1000, gt=0, description="Most matches on a search page.")
    max_included: int = Field(
        default=1000, gt=0, description="Most included resources on a search page; more follow."
    )
    max_bundle_entries: int = Field(
        default=5000, gt=0, description="Most entries in one batch or transaction."
    )
    max_conditional_delete: int = Field(
        default=1000,
        ge=0,
        description="Most resources that one conditional delete removes; 0: only a single match.",
    )
    page_lifetime_s: int = Field(
        default=900,
        gt=0,
        le=86_400,
        description="Seconds that the pages of one search can be asked for.",
    )
    time_zone: str = Field(
        default="UTC", description="IANA zone of dates that are written without one."
    )
    patience_s: float = Field(
        default=20.0, gt=0, description="Longest wait for the database before a 503, seconds."
    )
    max_jobs: int = Field(
        default=8, gt=0, description="Requests that one process answers later at once."
    )
    job_hours: int = Field(
        default=24, gt=0, description="Hours that an answer given later is kept."
    )
    event_days: int = Field(default=30, gt=0, description="Days that change events are kept.")
    package_registry: str = Field(
        default="",
        description="Base URL of the registry that FHIR packages are fetched from; empty: none.",
    )


class Log(Group):
    """Logging, to stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level written."
    )
    console: bool = Field(default=False, description="Coloured text instead of JSON lines.")


class Settings(BaseSettings):
    """All settings; frozen, made once by `load` and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Field(
        default=Path("data"), description="Directory of databases, images and `endpoints.json`."
    )
    mongodb_uri: SecretStr = Field(
        default=SecretStr(""),
        description="An existing MongoDB replica set; empty starts one of our own.",
    )
    mongodb_database: str = Field(default="medflow", description="Database name.")
    redis_url: SecretStr = Field(
        default=SecretStr(""), description="An existing Redis; empty starts one of our own."
    )
    run: str = Field(
        default="",
        description="Which start of `medflow serve` a process belongs to; set by it, not by you.",
    )
    http: Http = Http()
    hl7: Hl7 = Hl7()
    dicom: Dicom = Dicom()
    ai: Ai = Ai()
    auth: Auth = Auth()
    fhir: Fhir = Fhir()
    log: Log = Log()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        ValueError: a value is out of range or contradicts another, or a `MEDFLOW_` variable is not
            one of ours; the message names the variable and, where there is one, the nearest name.
    """
    given = dict(os.environ if environ is None else environ)
    known = names()
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise ValueError(f"Unknown settings: {'; '.join(_near(name, known) for name in unknown)}.")
    try:
        settings = _read({name: value for name, value in given.items() if name in known})
    except ValidationError as error:
        raise ValueError(_faults(error)) from None
    _check(settings)
    return settings


def levels_by_type(given: str) -> dict[str, Level]:
    """Return the levels of single resource types: `Observation=strict,Basic=off`.

    Raises:
        ValueError: an entry has another form, or a level that does not exist.
    """
    found: dict[str, Level] = {}
    for entry in filter(None, (part.strip() for part in given.split(","))):
        type, _, named = (part.strip() for part in entry.partition("="))
        level = next((known for known in get_args(Level) if known == named), None)
        if level is None or not type or type in found:
            listed = ", ".join(f"`{known}`" for known in get_args(Level))
            raise ValueError(
                f"`{PREFIX}FHIR__VALIDATION_BY_TYPE`: `{entry[:60]}` is not `Type=level` with one of"
                f" {listed}, once for each type."
            )
        found[type] = level
    return found


def names() -> dict[str, tuple[str, FieldInfo]]:
    """Return every variable name with its group's docstring and its field."""
    return {name: (group, field) for name, group, field in _walk(Settings, PREFIX, "")}


def foreign_environment() -> dict[str, str]:
    """Return the environment for a process that runs foreign code: without our settings' secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def _walk(model: type[BaseModel], prefix: str, group: str) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Group):
            yield from _walk(kind, f"{prefix}{name.upper()}__", kind.__doc__ or "")
        else:
            yield f"{prefix}{name.upper()}", group, field


def _read(environ: Mapping[str, str]) -> Settings:
    class Given(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            source = EnvSettingsSource(settings_cls)
            source.env_vars = {name.lower(): value for name, value in environ.items()}
            return (source,)

    return Settings.model_validate(Given().model_dump())


def _near(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, 1)
    return f"`{name}` (did you mean `{near[0]}`?)" if near else f"`{name}`"


def _faults(error: ValidationError) -> str:
    return " ".join(
        f"`{PREFIX}{'__'.join(str(part).upper() for part in fault['loc'])}`:"
        f" {re.sub(r'[.]?$', '.', fault['msg'])}"
        for fault in error.errors(include_input=False)
    )


def _check(settings: Settings) -> None:
    levels_by_type(settings.fhir.validation_by_type)
    if settings.auth.mode in {"brokered", "delegated"}:
        raise ValueError(
            f"`MEDFLOW_AUTH__MODE`: `{settings.auth.mode}` is not available yet; use `builtin`."
        )
    if settings.auth.mode == "open":
        for name, host in (
            ("HTTP", settings.http.host),
            ("HL7", settings.hl7.host),
            ("DICOM", settings.dicom.host),
        ):
            if host not in LOOPBACK:
                raise ValueError(
                    f"`MEDFLOW_AUTH__MODE` is `open`, so every listener must be on loopback, but"
                    f" `MEDFLOW_{name}__HOST` is `{host}`. Use 127.0.0.1, or mode `builtin`."
                )
