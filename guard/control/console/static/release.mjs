// The release, its candidate, targets and budgets, as their documents say.
import { html } from "./vendor/preact-htm.mjs";
import { share } from "./format.mjs";
import { Mark } from "./parts.mjs";

const GATES = { pass: "good", fail: "bad", open: "warn" };

export function Release({ data, all }) {
  const release = data.release;
  const moving = all.release && all.release.data;
  if (!release && !moving) return html`<p class="soft">The policy names no release.</p>`;
  const rows = release ? ["model", "version", "commit", "digest", "contract", "approved_by", "approved_at", "previous"].filter((name) => release[name]) : [];
  const verdict = moving && moving.verdict;
  return html`${rows.length > 0 && html`<table><tbody>${rows.map((name) => html`<tr key=${name}><th scope="row">${name.replaceAll("_", " ")}</th><td><code>${release[name]}</code></td></tr>`)}</tbody></table>`}
    ${moving && html`<p>Stage: <${Mark} kind=${moving.stage === "aborted" ? "bad" : "soft"}>${moving.stage}<//>${moving.step && html` step ${moving.step.index}, ${share(moving.step.share, 1)} of requests`}</p>
      <table><tbody>${Object.entries(moving.roles || {}).filter(([, role]) => role).map(([name, role]) => html`<tr key=${name}><th scope="row">${name}</th><td><code>${role.version}</code></td></tr>`)}</tbody></table>`}
    ${verdict && html`<p>Verdict: <${Mark} kind=${GATES[verdict.verdict] || "warn"}>${verdict.verdict}<//> ${verdict.why}</p>
      <table><thead><tr><th scope="col">gate</th><th scope="col">state</th><th scope="col">detail</th></tr></thead>
      <tbody>${(verdict.gates || []).map((gate, n) => html`<tr key=${n}><th scope="row">${gate.gate} ${gate.metric}</th><td><${Mark} kind=${GATES[gate.state] || "soft"}>${gate.state}<//></td><td>${gate.detail}</td></tr>`)}</tbody></table>`}`;
}

const BURNS = { ok: "good", slow: "warn", brisk: "warn", fast: "bad", spent: "bad" };

export function Targets({ data }) {
  const rows = (data.scopes || []).flatMap((scope) => scope.objectives.map((objective) => [scope, objective]));
  if (!rows.length) return html`<p class="soft">The policy declares no target.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of targets"><table><thead><tr><th scope="col">scope</th><th scope="col">objective</th><th scope="col">state</th><th scope="col" class="number">budget left</th><th scope="col" class="number">burn 5 min</th><th scope="col" class="number">1 h</th></tr></thead>
    <tbody>${rows.map(([scope, one]) => html`<tr key=${`${scope.route} ${one.objective}`}><th scope="row">${scope.route || "service"}</th><td>${one.objective.replaceAll("_", " ")}</td><td><${Mark} kind=${BURNS[one.state] || "soft"}>${one.state}<//></td>
      <td class="number">${typeof one.left === "number" ? share(one.left, 1) : "–"}</td>${["5m", "1h"].map((name) => html`<td key=${name} class="number">${one.windows && one.windows[name] ? Math.round(one.windows[name].burn * 10) / 10 : "–"}</td>`)}</tr>`)}</tbody></table></div>`;
}

export function Budgets({ data }) {
  const rows = data.budgets || [];
  if (!rows.length) return html`<p class="soft">The policy declares no budget.</p>`;
  return html`<table><thead><tr><th scope="col">scope</th><th scope="col" class="number">spent</th><th scope="col" class="number">limit</th><th scope="col" class="number">share</th><th scope="col">when spent</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.route}><th scope="row">${row.route || "service"}</th><td class="number">${row.spent} ${row.currency}</td><td class="number">${row.limit} ${row.currency}</td><td class="number">${share(row.share, 1)}</td><td>${row.on_spent}${row.closed ? ": spent" : ""}</td></tr>`)}</tbody></table>`;
}
