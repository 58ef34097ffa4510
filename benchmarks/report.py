"""Figures → a table for a terminal; and docs/performance.md with its plots, written by the bench and by nobody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import middle
from benchmarks.servers import ROOT, SERVERS

PAGE = ROOT / "docs" / "performance.md"
WORDS = Path(__file__).resolve().parent / "performance.template.md"
PLOTS = ROOT / "docs" / "performance"
Result = dict[str, Any]


def ratio(result: Result, over: str, under: str, key: str, many: str = "32") -> dict[str, float] | None:
    """One server's figure ÷ another's, round by round: median, least, most. None where one was not measured."""
    loaded = result["loaded"]
    if over not in loaded or under not in loaded or many not in loaded[over]:
        return None
    pairs = zip(loaded[over]["runs"][many], loaded[under]["runs"][many], strict=True)
    results = [a[key] / b[key] for a, b in pairs if b[key]]
    return middle(results) if results else None


def spread(found: dict[str, float] | None) -> str:
    """0.93 (0.70–0.95)."""
    return f"{found['median']:.2f} ({found['min']:.2f}–{found['max']:.2f})" if found else "not measured"


def table(result: Result) -> str:
    """For a terminal."""
    head = ("requests/s", "least–most", "p99 µs", "CPU µs", "p50 µs*", "p99 µs*", "MiB", "errors")
    lines = [" " * 12 + "".join(f"{word:>{width}}" for word, width in zip(head, (11, 17, 9, 8, 9, 9, 7, 8), strict=True))]
    for name, row in result["servers"].items():
        many, one = result["loaded"][name]["32"], result["loaded"][name]["1"]
        span = f"{many['rps']['min']:,.0f}–{many['rps']['max']:,.0f}"
        errors = sum(result["loaded"][name][key]["errors"]["max"] for key in result["loaded"][name] if key != "runs")
        lines.append(
            f"{name:12}{many['rps']['median']:>11,.0f}{span:>17}{many['p99_us']['median']:>9,.0f}"
            f"{many['cpu_us']['median']:>8.0f}{one['p50_us']['median']:>9,.0f}{one['p99_us']['median']:>9,.0f}"
            f"{row['loaded_mib']:>7.0f}{errors:>8.0f}"
        )
    lines.append("32 connections; * at one; direct is the model server itself, on the load generator's core")
    for title, found in {
        "guard ÷ Envoy, requests/s": ratio(result, "guard", "envoy", "rps"),
        "guard ÷ Envoy, processor time": ratio(result, "guard", "envoy", "cpu_us"),
        "guard ÷ Envoy, p50 at one connection": ratio(result, "guard", "envoy", "p50_us", "1"),
        "guard ÷ guard forwarding only, requests/s": ratio(result, "guard", "forwarding", "rps"),
        "guard ÷ Envoy doing what it can of the job": ratio(result, "guard", "envoy-job", "rps"),
    }.items():
        if found:
            lines.append(f"{title}: {spread(found)}")
    lines += [f"{name} was not measured: {why}" for name, why in result["absent"].items()]
    return "\n".join(lines)


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def state(result: Result) -> str:
    """Whether the figures may be quoted."""
    rounds, seconds = result["rounds"], result["seconds"]
    told = f"{rounds} alternating rounds of {seconds} s for each number of connections; median (least–most)."
    turns = len(result["loaded"]["guard"]["runs"]["32"])
    told += f" At 1 and 32 connections guard, its forwarding and Envoy took {turns} turns, one beside the other."
    if result["shared"]:
        worst = ", ".join(f"{name} {share:.0%}" for name, share in result["shared"].items())
        told += (
            f"\n\n**Not to be quoted.** Others used the machine (load average {result['load_average']:.1f}): in the worst "
            f"round the share of its core that a proxy got was {worst}. Ratios and processor time say a little, absolute "
            "figures nothing."
        )
    return told


def goals(result: Result) -> str:
    """The rows of the design, each with what was seen."""
    rows = result["servers"]
    loaded = result["loaded"]["guard"]
    many = loaded["1024"]["rps"]["median"] / loaded["32"]["rps"]["median"]
    results = [
        ("requests/s at 32 connections ÷ Envoy without filters", "≥ 1.0", ratio(result, "guard", "envoy", "rps"), 1.0, 1),
        ("requests/s ÷ guard forwarding only", "≥ 0.75", ratio(result, "guard", "forwarding", "rps"), 0.75, 1),
        ("p50 at one connection ÷ Envoy's", "≤ 1.0", ratio(result, "guard", "envoy", "p50_us", "1"), 1.0, -1),
        ("p99 at one connection ÷ Envoy's", "≤ 1.0", ratio(result, "guard", "envoy", "p99_us", "1"), 1.0, -1),
        ("requests/s at 1,024 connections ÷ at 32", "≥ 0.8", {"median": many, "min": many, "max": many}, 0.8, 1),
    ]
    lines = []
    for what, bound, seen, limit, sign in results:
        met = "" if seen is None else ("met" if (seen["median"] - limit) * sign >= 0 else "**missed**")
        lines.append(f"| {what} | {bound} | {spread(seen)} | {met} |")
    guard, took = rows["guard"], rows["guard"]["first_answers_s"]
    for what, bound, seen, limit in (
        ("resident memory, idle", "≤ 64 MiB", guard["idle_mib"], 64),
        ("the same, with expressions in rules", "≤ 80 MiB", guard["rules_mib"], 80),
        ("the same, after 1,024 connections", "≤ 110 MiB", guard["loaded_mib"], 110),
        ("`guard serve` to first answer", "≤ 0.5 s", guard["first_answer_s"], 0.5),
        ("memory of an idle connection", "≤ 8 KiB", guard["idle_connection_kib"], 8),
    ):
        unit = bound.split()[-1]
        each = f" ({min(took):.2f}–{max(took):.2f})" if unit == "s" else ""
        lines.append(f"| {what} | {bound} | {seen:.2f} {unit}{each} | {'met' if seen <= limit else '**missed**'} |")
    return "\n".join(lines)


def throughput(result: Result) -> str:
    """Requests a second by connections, processor time, memory, first answer."""
    lines = []
    for name, row in result["servers"].items():
        loaded = result["loaded"][name]
        counts = " | ".join(f"{loaded[many]['rps']['median']:,.0f}" for many in ("1", "32", "256", "1024"))
        at = loaded["32"]["rps"]
        lines.append(
            f"| {row['title']} | {counts} | {at['min']:,.0f}–{at['max']:,.0f} | {loaded['32']['cpu_us']['median']:.0f} "
            f"| {row['idle_mib']:.0f} / {row['loaded_mib']:.0f} | {row['first_answer_s']:.2f} |"
        )
    return "\n".join(lines)


def latency(result: Result) -> str:
    """p50 and p99 of the closed loop."""
    lines = []
    for name, row in result["servers"].items():
        loaded = result["loaded"][name]
        cells = " | ".join(
            f"{loaded[many]['p50_us']['median'] / 1e3:,.2f} / {loaded[many]['p99_us']['median'] / 1e3:,.2f}"
            for many in ("1", "32", "256", "1024")
        )
        lines.append(f"| {row['title']} | {cells} |")
    return "\n".join(lines)


def rates(result: Result) -> str:
    """Time added at fixed rates."""
    lines = []
    for name, of_it in result["rates"].items():
        if name == "direct":
            continue
        cells = []
        for rate in ("100", "1000", "5000"):
            answer = of_it.get(rate)
            added = answer and f"{answer['added_p50_us']['median']:,.0f} / {answer['added_p99_us']['median']:,.0f}"
            cells.append(added or "cannot")
        lines.append(f"| {result['servers'][name]['title']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cost(result: Result) -> str:
    """What one sidecar costs."""
    guard, of_it = result["servers"]["guard"], result["rates"]["guard"]
    memory = f"{guard['idle_mib']:.0f}–{guard['loaded_mib']:.0f}"
    return "\n".join(
        f"| {int(rate):,} | {found['cores']['median']:.3f} | {found['added_p50_us']['median'] / 1e3:.2f} "
        f"/ {found['added_p99_us']['median'] / 1e3:.2f} | {memory} |"
        for rate, found in of_it.items()
    )


def machine(result: Result) -> str:
    """What the figures depend on."""
    return "\n".join(f"| {name} | {text} |" for name, text in result["versions"].items())


def saturation(found: Result) -> str:
    """What was promised, and seen."""
    if not found:
        return "| not measured | | | |"
    lines = [
        ("goodput ÷ capacity", "≥ 0.90", f"{found['goodput']:.2f}", found["goodput"] >= 0.9),
        (
            "p99 of what was let in", f"≤ {2 * found['bound_ms']:.0f} ms: twice a full queue and a service",
            f"{found['p99_ms']:.0f} ms", found["p99_ms"] <= 2 * found["bound_ms"],
        ),
        ("`/readyz`, slowest", "< 100 ms", f"{found['ops_most_ms']:.0f} ms", found["ops_most_ms"] < 100),
        ("admin status, slowest", "< 100 ms", f"{found['admin_most_ms']:.0f} ms", found["admin_most_ms"] < 100),
        ("p99 of what was turned away", "", f"{found['turned_away_p99_ms']:.0f} ms", None),
    ]  # fmt: skip
    met = {True: "met", False: "**missed**", None: ""}
    return "\n".join(f"| {what} | {bound} | {seen} | {met[well]} |" for what, bound, seen, well in lines)


PARTS: Final[dict[str, Callable[[Result], str]]] = {
    "state": state,
    "goals": goals,
    "throughput": throughput,
    "latency": latency,
    "rates": rates,
    "cost": cost,
    "saturation": lambda result: saturation(result["saturation"]),
    "machine": machine,
    "absent": lambda result: "".join(f"- {name}: {why}.\n" for name, why in result["absent"].items()),
}
"""Each has one place in the template."""


def write(result: Result) -> None:
    """Write the page and its plots anew."""
    PLOTS.mkdir(exist_ok=True)
    plots(result)
    text = WORDS.read_text()
    for name, part in PARTS.items():
        text = text.replace("{" + name + "}", part(result).rstrip("\n"))
    PAGE.write_text(text)


# ── plots ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def plots(result: Result) -> None:
    """Two files of SVG, the same for the same figures."""
    import matplotlib as mpl  # noqa: PLC0415 — half a second, and not for a quick run

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "guard", "svg.fonttype": "none", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}
    )
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = [name for name in SERVERS if name in result["loaded"] and name != "direct"]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name in shown:
        loaded = result["loaded"][name]
        many = [int(key) for key in loaded if key != "runs"]
        style = {"linewidth": 2.2} if name == "guard" else {"linewidth": 1.0}
        axes[0].plot(many, [loaded[str(key)]["rps"]["median"] for key in many], marker="o", label=name, **style)
        axes[1].plot(many, [loaded[str(key)]["p99_us"]["median"] / 1e3 for key in many], marker="o", label=name, **style)
    for axis, title in zip(axes, ("requests/s", "p99, ms"), strict=True):
        axis.set(xscale="log", xlabel="connections", title=title)
    axes[1].set_yscale("log")
    axes[0].legend(fontsize=7)
    figure.savefig(PLOTS / "connections.svg", metadata={"Date": None})
    plt.close(figure)
    if result["growth"]:
        grown(result, plt)


def grown(result: Result, plt: Any) -> None:
    """One small plot for each thing that grows; where a slope is one, cost grows as the thing does."""
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
    for axis, (name, points) in zip(axes.flat, result["growth"].items(), strict=False):
        steps, costs = zip(*points, strict=True)
        axis.plot(steps, costs, marker="o", markersize=3)
        ways = {"xscale": "symlog" if 0 in steps else "log", "yscale": "log" if max(costs) > 10 * min(costs) else "linear"}
        axis.set(
            xlabel=name,
            ylabel="ms a page" if name == "series" else "µs a request",
            ylim=(0 if ways["yscale"] == "linear" else None, None),
            **ways,
        )
    last = axes.flat[-1]
    loaded = result["loaded"]["guard"]
    many = [int(key) for key in loaded if key != "runs"]
    last.plot(many, [loaded[str(key)]["cpu_us"]["median"] for key in many], marker="o", markersize=3)
    last.set(xlabel="connections", ylabel="processor µs a request", xscale="log", ylim=(0, None))
    figure.savefig(PLOTS / "growth.svg", metadata={"Date": None})
    plt.close(figure)
