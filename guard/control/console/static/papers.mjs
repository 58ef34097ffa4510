// Incidents and audit, the contract, and the policy.
import { html, useState } from "./vendor/preact-htm.mjs";
import { Mark, When } from "./parts.mjs";

const KINDS = { firing: "bad", resolved: "good" };

export function Events({ data, all, now }) {
  const audit = ((all.audit && all.audit.data && all.audit.data.entries) || []).map((entry) => ({
    at: typeof entry.at === "number" ? new Date(entry.at * 1000).toISOString() : entry.at,
    kind: "order",
    text: [entry.what, entry.route, entry.to ? `${entry.from || "?"} to ${entry.to}` : "", entry.target, entry.state, entry.why || entry.reason].filter(Boolean).join(" · "),
    who: entry.who || entry.actor || "",
  }));
  const told = (data.lately || []).map((item) => ({ at: item.ended_at || item.started_at, kind: item.status || "incident", text: item.summary || item.kind, who: item.owner ? item.owner.name || item.owner : "" }));
  const rows = [...audit, ...told].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, 60);
  const open = data.open || [];
  return html`${open.map((item, n) => html`<p key=${n}><${Mark} kind="bad">open<//> ${item.summary} ${item.started_at && html`· since <${When} at=${item.started_at} now=${now} />`} ${item.back && html`· <code>${item.back}</code>`}</p>`)}
    ${!open.length && html`<p>Nothing is open.</p>`}
    ${rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Table of events"><table><thead><tr><th scope="col">time</th><th scope="col">kind</th><th scope="col">what</th><th scope="col">who</th></tr></thead>
      <tbody>${rows.map((row, n) => html`<tr key=${n}><td><${When} at=${row.at} now=${now} /></td><td><${Mark} kind=${KINDS[row.kind] || "soft"}>${row.kind}<//></td><td>${row.text}</td><td>${typeof row.who === "string" ? row.who : ""}</td></tr>`)}</tbody></table></div>`
      : html`<p class="soft">No order was given and no incident was met since the start.</p>`}`;
}

// A document as nested lists; a search keeps the branches that hold the text.
function holds(value, text) {
  if (value === null || typeof value !== "object") return String(value).toLowerCase().includes(text);
  return Object.entries(value).some(([name, item]) => name.toLowerCase().includes(text) || holds(item, text));
}

function Tree({ value }) {
  if (value === null || typeof value !== "object") return html`<code>${String(value)}</code>`;
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")) return html`<code>${value.join(", ")}</code>`;
  const entries = Object.entries(value).filter(([, item]) => item !== null && !(typeof item === "object" && !Object.keys(item).length));
  return html`<table><tbody>${entries.map(([name, item]) => html`<tr key=${name}><th scope="row">${item && item.name && Array.isArray(value) ? item.name : name}</th><td><${Tree} value=${item} /></td></tr>`)}</tbody></table>`;
}

export function Contract({ data }) {
  const [text, setText] = useState("");
  const routes = Array.isArray(data.routes) ? data.routes.map((route) => [route.route || route.key || `${route.method} ${route.path}`, route]) : Object.entries(data.routes || {});
  const wanted = text.trim().toLowerCase();
  const shown = routes.filter(([key, route]) => !wanted || key.toLowerCase().includes(wanted) || holds(route, wanted));
  return html`<label>Search routes, fields and codes<input type="search" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <p class="soft" role="status">${shown.length} of ${routes.length} routes</p>
    ${shown.map(([key, route]) => html`<details key=${key} open=${Boolean(wanted)}><summary><code>${key}</code></summary><div class="scroll" tabindex="0" role="region" aria-label=${`Contract of ${key}`}><${Tree} value=${route} /></div></details>`)}`;
}

export function PolicyInForce({ data, all }) {
  const policy = (all.status && all.status.data && all.status.data.policy) || {};
  return html`<p>Digest <code>${data.digest}</code></p>
    ${policy.ok === false && html`<p class="wrong">A newer policy is refused; this one stays in force.</p><ul>${(policy.errors || []).map((error, n) => html`<li key=${n}><code>${typeof error === "string" ? error : JSON.stringify(error)}</code></li>`)}</ul>`}
    ${data.warnings.length ? html`<ul>${data.warnings.map((warning) => html`<li key=${warning}><${Mark} kind="warn">warning<//> ${warning}</li>`)}</ul>` : html`<p class="soft">No warning.</p>`}
    <details><summary>The policy, and where each value was set</summary><pre tabindex="0" role="region" aria-label="Text of the policy">${data.text}</pre></details>`;
}
