"""The `OTEL_*` variables that people expect to work, read once. Endpoints, headers and certificates the exporters read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
SAMPLERS: Final[dict[str, tuple[float | None, bool]]] = {
    "always_on": (1.0, False),
    "always_off": (0.0, False),
    "traceidratio": (None, False),
    "parentbased_always_on": (1.0, True),
    "parentbased_always_off": (0.0, True),
    "parentbased_traceidratio": (None, True),
}
"""Name → ratio (None: OTEL_TRACES_SAMPLER_ARG), and whether a trusted peer decides."""

KNOWN: Final = frozenset(("otlp", "console", "none", "prometheus"))
PROPAGATORS: Final = frozenset(("tracecontext", "baggage", "none"))


@dataclass(frozen=True, slots=True)
class Queue:
    """Export settings of a signal: interval in seconds, items per batch, and the most items that wait."""

    every: float
    batch: int
    most: int


@dataclass(slots=True)
class Environment:
    """The settings that the variables hold. `problems`: settings that cannot be applied, without any of their values."""

    exporters: dict[Signal, tuple[str, ...]]
    ratio: float | None  # None: the policy's
    parented: bool
    attributes: dict[str, str]  # of the resource
    delta: bool
    exemplars: bool
    queues: dict[Signal, Queue]
    problems: list[str] = field(default_factory=list)

    def on(self, signal: Signal) -> bool:
        """Whether the signal has an exporter."""
        return bool(self.exporters[signal])


def read(environ: Mapping[str, str]) -> Environment:
    """Read the variables. An invalid value is a problem, and counts as unset (OpenTelemetry's rule)."""
    reader = _Reader(environ)
    ratio, parented = reader.sampler()
    return Environment(
        exporters={signal: reader.exporters(signal) for signal in SIGNALS},
        ratio=ratio,
        parented=parented,
        attributes=reader.attributes(),
        delta=reader.text("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").lower() in ("delta", "lowmemory"),
        exemplars=reader.text("OTEL_METRICS_EXEMPLAR_FILTER").lower() != "always_off",
        queues={
            "metrics": Queue(reader.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1e3, 1, 1),
            "traces": reader.queue("OTEL_BSP", 5000),
            "logs": reader.queue("OTEL_BLRP", 1000),
        },
        problems=reader.finished(),
    )


def _endpoint_fault(url: str) -> str:
    """The reason why no exporter can send to an endpoint; empty if one can. If unset, the exporter uses its own default."""
    if not url:
        return ""
    if "://" not in url:
        return "has no scheme"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "has a host that is no address"
    if parts.scheme.lower() not in ("http", "https"):
        return "has a scheme that is not http or https"
    if not parts.hostname:
        return "names no host"
    try:
        return "" if parts.port != 0 else "has the port 0"
    except ValueError:
        return "has a port that is not a number up to 65535"


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def number(self, name: str, default: float, *, least: float = 1) -> float:
        value = self.text(name)
        try:
            number = float(value) if value else default
        except ValueError:
            self._problems.append(f"{name} is not a number; {default:g} is used")
            return default
        if not least <= number < 1e9:
            self._problems.append(f"{name} is not between {least:g} and 1e9; {default:g} is used")
            return default
        return number

    def queue(self, prefix: str, every: float) -> Queue:
        most = int(self.number(f"{prefix}_MAX_QUEUE_SIZE", 2048))
        batch = min(most, int(self.number(f"{prefix}_MAX_EXPORT_BATCH_SIZE", 512)))
        return Queue(self.number(f"{prefix}_SCHEDULE_DELAY", every) / 1e3, batch, most)

    def exporters(self, signal: Signal) -> tuple[str, ...]:
        """OTLP only where an endpoint or an exporter is named; logs only where they are named themselves."""
        upper = signal.upper()
        if self.text("OTEL_SDK_DISABLED").lower() == "true":
            return ()
        named = self.text(f"OTEL_{upper}_EXPORTER")
        endpoint = self.text(f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT")
        common = self.text("OTEL_EXPORTER_OTLP_ENDPOINT") if signal != "logs" else ""
        name = f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT" if endpoint else "OTEL_EXPORTER_OTLP_ENDPOINT"
        wrong = _endpoint_fault(endpoint or common)
        wanted = [part.strip().lower() for part in named.split(",")] if named else ["otlp"] if endpoint or common else []
        for exporter in wanted:
            if exporter not in KNOWN or (exporter == "prometheus" and signal != "metrics"):
                self._problems.append(f"OTEL_{upper}_EXPORTER names an exporter that guard does not have")
        protocol = self.text(f"OTEL_EXPORTER_OTLP_{upper}_PROTOCOL") or self.text("OTEL_EXPORTER_OTLP_PROTOCOL")
        if "otlp" in wanted and protocol not in ("", "http/protobuf"):
            self._problems.append(f"OTLP for {signal} goes by http/protobuf only; it is sent so")
        if "otlp" in wanted and wrong:
            self._problems.append(f"{name} {wrong}; write http://HOST:4318. {signal.capitalize()} are not sent by OTLP")
            wanted = [exporter for exporter in wanted if exporter != "otlp"]
        return tuple(item for item in ("otlp", "console") if item in wanted)

    def sampler(self) -> tuple[float | None, bool]:
        name = self.text("OTEL_TRACES_SAMPLER").lower()
        if not name:
            return None, True
        if name not in SAMPLERS:
            self._problems.append("OTEL_TRACES_SAMPLER names a sampler that guard does not have; the policy's share counts")
            return None, True
        ratio, parented = SAMPLERS[name]
        if ratio is None:
            ratio = self.number("OTEL_TRACES_SAMPLER_ARG", 1.0, least=0)
        return min(1.0, ratio), parented

    def attributes(self) -> dict[str, str]:
        attributes: dict[str, str] = {}
        for pair in self.text("OTEL_RESOURCE_ATTRIBUTES").split(","):
            key, equals, value = pair.partition("=")
            if equals and key.strip():
                attributes[key.strip()] = value.strip()
            elif pair.strip():
                self._problems.append("OTEL_RESOURCE_ATTRIBUTES has a member that is not key=value; it is left out")
        if service := self.text("OTEL_SERVICE_NAME"):
            attributes["service.name"] = service
        return attributes

    def finished(self) -> list[str]:
        if self.text("OTEL_CONFIG_FILE"):
            self._problems.append("OTEL_CONFIG_FILE is not read; the other variables are")
        propagators = {part.strip().lower() for part in self.text("OTEL_PROPAGATORS").split(",") if part.strip()}
        if propagators - PROPAGATORS:
            self._problems.append("OTEL_PROPAGATORS names more than tracecontext and baggage, which guard speaks")
        return self._problems
