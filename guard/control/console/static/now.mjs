// What answers now: routes, rungs and breakers.
import { html } from "./vendor/preact-htm.mjs";
import { count, RUNGS, share, sum } from "./format.mjs";
import { lately, Mark, sources, top, When } from "./parts.mjs";

export function Answers({ data, all, now, operator, give }) {
  const history = all.history && all.history.data;
  return html`<div class="row">
      <p>Service: <${Mark} kind=${data.mode === "normal" ? "good" : "bad"}>${data.mode}<//> ${data.since && html`since <${When} at=${data.since} now=${now} />`}
        ${data.reason && html` · ${data.reason}`}${data.who && html` · by ${data.who}`}${data.until && html` · until <${When} at=${data.until} now=${now} bare=${true} />`}
        ${data.durable === false && html` <${Mark} kind="warn">not on disk<//>`}</p>
      ${operator && html`<button class="bad" onClick=${() => give({ kind: "kill", route: null })}>Kill …</button>`}
      ${operator && data.mode !== "normal" && !data.kill_file && html`<button onClick=${() => give({ kind: "restore", route: null })}>Restore …</button>`}
    </div>
    ${data.kill_file && html`<p class="wrong">A kill file is there. Only its removal raises the mode.</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Table of routes"><table>
      <thead><tr><th scope="col">route</th><th scope="col">answers now</th><th scope="col" class="number">share</th><th scope="col" class="number">requests, 1 min</th>
        <th scope="col">version</th><th scope="col">mode</th><th scope="col">since</th><th scope="col">why, who</th>${operator && html`<th scope="col">order</th>`}</tr></thead>
      <tbody>${data.routes.map((route) => {
        const counts = sources(history, route.route);
        const total = sum(Object.values(counts));
        const allowed = RUNGS.slice(Math.max(0, RUNGS.indexOf(route.mode)));
        const first = top(Object.fromEntries(Object.entries(counts).filter(([rung]) => allowed.includes(rung))));
        const own = route.mode !== "normal";
        return html`<tr key=${route.route}><th scope="row">${route.route}</th>
          <td>${first ? html`<${Mark} kind=${first === RUNGS[0] ? "good" : "warn"}>${first}<//>` : html`<span class="soft">no request</span>`}</td>
          <td class="number">${first ? share(counts[first], total) : "–"}</td><td class="number">${count(total)}</td>
          <td>${Object.entries(route.served || {}).map(([target, version]) => html`<div key=${target}>${target} <code>${version}</code></div>`)}</td>
          <td>${own ? html`<${Mark} kind="bad">${route.mode}<//>` : "normal"}</td>
          <td>${route.since && own ? html`<${When} at=${route.since} now=${now} />` : "–"}</td>
          <td>${[own && route.why, route.reason, route.who].filter(Boolean).join(" · ") || "–"}${route.observed && html`<div><${Mark} kind="warn">contract observed<//></div>`}</td>
          ${operator && html`<td class="row"><button class="small" aria-label=${`Kill ${route.route}`} onClick=${() => give({ kind: "kill", route: route.route })}>Kill …</button>
            ${own && data.mode === "normal" && html`<button class="small" aria-label=${`Restore ${route.route}`} onClick=${() => give({ kind: "restore", route: route.route })}>Restore …</button>`}</td>`}</tr>`;
      })}</tbody></table></div>
    ${data.back && html`<p>To go back by hand: <code>${data.back}</code></p>`}`;
}

export function Ladder({ data }) {
  const routes = [...new Set(lately(data, "source").map((row) => row[0]))];
  if (!routes.length) return html`<p class="soft">No request in the last minute.</p>`;
  return routes.map((route) => {
    const counts = sources(data, route);
    const total = sum(Object.values(counts));
    const rungs = [...RUNGS, "none"].filter((rung) => counts[rung] || lately(data, "closed", route).some((row) => row[2] === rung));
    const words = rungs.map((rung) => `${rung} ${share(counts[rung] || 0, total)}`).join(", ");
    return html`<div key=${route}><h3>${route || "no route matched"}</h3>
      <div class="bar" role="img" aria-label=${words}>${rungs.map((rung) => html`<span key=${rung} class=${rung} style=${{ width: `${(100 * (counts[rung] || 0)) / total}%` }}></span>`)}</div>
      <table><thead><tr><th scope="col">rung</th><th scope="col" class="number">share</th><th scope="col" class="number">answers</th><th scope="col">passed over because</th></tr></thead>
      <tbody>${rungs.map((rung) => html`<tr key=${rung}><th scope="row">${rung === "none" ? "refused" : rung}</th><td class="number">${share(counts[rung] || 0, total)}</td>
        <td class="number">${count(counts[rung] || 0)}</td><td>${(rung === "none" ? lately(data, "refused", route).map((row) => `${row[2]} ${count(row[3])}`)
          : lately(data, "closed", route).filter((row) => row[2] === rung).map((row) => `${row[3]} ${count(row[4])}`)).join(", ") || "–"}</td></tr>`)}</tbody></table></div>`;
  });
}

const SHOWN = ["calls", "out", "failures", "invalid", "slow", "rate", "slow_rate", "consecutive", "openings", "probes", "passed"];
const STATES = { closed: "good", half_open: "warn", open: "bad" };

export function Breakers({ data }) {
  const rows = data.routes.flatMap((route) => Object.entries(route.breakers || {}).map(([target, breaker]) => [route.route, target, breaker]));
  if (!rows.length) return html`<p class="soft">No route has a breaker.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of breakers"><table><thead><tr><th scope="col">route</th><th scope="col">target</th><th scope="col">state</th><th scope="col">facts</th></tr></thead>
    <tbody>${rows.map(([route, target, breaker]) => {
      const state = typeof breaker === "object" ? breaker.state : breaker;
      const facts = typeof breaker === "object" ? SHOWN.filter((name) => breaker[name]).map((name) => [name, breaker[name]]) : [];
      return html`<tr key=${route + target}><th scope="row">${route}</th><td>${target}</td><td><${Mark} kind=${STATES[state] || "soft"}>${state}<//></td>
        <td>${facts.map(([name, value]) => `${name.replaceAll("_", " ")} ${name.endsWith("rate") ? share(value, 1) : value}`).join(", ") || "no call lately"}${breaker.forced && breaker.forced !== "auto" && html` <${Mark} kind="warn">forced ${breaker.forced}<//>`}</td></tr>`;
    })}</tbody></table></div>`;
}
