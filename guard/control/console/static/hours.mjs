// The last hours: predictions by version, and violations by field.
import { html } from "./vendor/preact-htm.mjs";
import { Lines } from "./charts.mjs";
import { count, quantile, seconds, share, sum } from "./format.mjs";
import { classes } from "./parts.mjs";

const times = (data) => Array.from({ length: data.length }, (_, n) => data.from + n * data.step);

function requests(data) {
  const rungs = {};
  for (const line of data.series)
    if (line.of[1] === "source") rungs[line.of[2]] = line.points.map((n, at) => n + ((rungs[line.of[2]] || [])[at] || 0));
  return Object.entries(rungs).map(([name, points]) => ({ name: name === "none" ? "refused" : name, points }));
}

function durations(data) {
  const found = {};
  for (const line of data.series)
    if (line.of[1] === "seconds") {
      found[line.of[0]] = found[line.of[0]] || {};
      found[line.of[0]][line.of[2]] = sum(line.points.slice(-10));
    }
  return Object.entries(found).filter(([, bounds]) => sum(Object.values(bounds)));
}

export function Predictions({ data }) {
  const series = requests(data);
  if (!series.length) return html`<p class="soft">No request in the last hours. Counts of up to six hours are kept in this process.</p>`;
  const found = Object.entries(classes(data));
  const means = data.series.filter((line) => line.of[1] === "sum").map((line) => {
    const counts = data.series.find((other) => other.of[1] === "count" && other.of.slice(2).join("\n") === line.of.slice(2).join("\n") && other.of[0] === line.of[0]);
    return { name: `${line.of[0]} · ${line.of[3]} · ${line.of[2] || "no version"}`, points: line.points.map((total, n) => (counts && counts.points[n] ? total / counts.points[n] : null)) };
  });
  return html`<${Lines} title="Answers a minute by rung" times=${times(data)} series=${series} />
    ${found.map(([key, lines]) => {
      const total = (at) => sum(lines.map((line) => line.points[at]));
      const shares = lines.map((line) => ({ name: line.name, points: line.points.map((n, at) => (total(at) ? (100 * n) / total(at) : null)) }));
      const [late, early] = ["late", "early"].map((when) => sum(lines.map((line) => line[when])));
      return html`<div key=${key}><${Lines} title=${`Share of classes · ${key}`} times=${times(data)} series=${shares} unit=" %" />
        <table><thead><tr><th scope="col">class</th><th scope="col" class="number">last 10 min</th><th scope="col" class="number">before</th><th scope="col" class="number">count, 10 min</th></tr></thead>
        <tbody>${lines.map((line) => html`<tr key=${line.name}><th scope="row">${line.name}</th><td class="number">${share(line.late, late)}</td><td class="number">${share(line.early, early)}</td><td class="number">${count(line.late)}</td></tr>`)}</tbody></table></div>`;
    })}
    ${means.length > 0 && html`<${Lines} title="Mean of numbers predicted" times=${times(data)} series=${means} />`}
    <table><caption>Time of an answer, last 10 min, as guard measures it: at most</caption>
      <thead><tr><th scope="col">route</th><th scope="col" class="number">half</th><th scope="col" class="number">95 %</th><th scope="col" class="number">99 %</th></tr></thead>
      <tbody>${durations(data).map(([route, bounds]) => html`<tr key=${route}><th scope="row">${route}</th>${[0.5, 0.95, 0.99].map((q) => html`<td key=${q} class="number">${seconds(quantile(bounds, q))}</td>`)}</tr>`)}</tbody></table>
    ${data.left_out > 0 && html`<p class="stale">${count(data.left_out)} counts found no place and are missing here.</p>`}`;
}

export function Violations({ data }) {
  const rows = data.series
    .filter((line) => line.of[1] === "violation")
    .map((line) => [line.of[0], line.of[2], line.of[3] || "the whole body", line.of[4], sum(line.points.slice(-10)), sum(line.points)])
    .sort((a, b) => b[4] - a[4] || b[5] - a[5])
    .slice(0, 50);
  if (!rows.length) return html`<p class="soft">No violation in the last hours.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of violations"><table><thead><tr><th scope="col">field</th><th scope="col">code</th><th scope="col">of</th><th scope="col">route</th><th scope="col" class="number">10 min</th><th scope="col" class="number">all</th></tr></thead>
    <tbody>${rows.map(([route, side, field, code, late, all]) => html`<tr key=${[route, side, field, code].join("\n")}><th scope="row">${field}</th><td>${code}</td><td>${side}</td><td><code>${route}</code></td><td class="number">${count(late)}</td><td class="number">${count(all)}</td></tr>`)}</tbody></table></div>`;
}
