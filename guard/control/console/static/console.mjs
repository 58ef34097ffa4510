// The page: signs in, polls the admin API, and lays the panels out.
import { html, render, useEffect, useState } from "./vendor/preact-htm.mjs";
import { ask, Poll, problem } from "./api.mjs";
import { Freshness, Questions, When } from "./parts.mjs";
import { Answers, Breakers, Ladder } from "./now.mjs";
import { Predictions, Violations } from "./hours.mjs";
import { Budgets, Release, Targets } from "./release.mjs";
import { Contract, Events, PolicyInForce } from "./papers.mjs";
import { OrderDialog } from "./orders.mjs";

// Path and milliseconds between two looks.
const DOCUMENTS = {
  status: ["/admin/v1/status", 2000],
  history: ["/admin/v1/history", 5000],
  incidents: ["/admin/v1/incidents", 4000],
  audit: ["/admin/v1/audit?limit=50", 6000],
  slo: ["/admin/v1/slo", 5000],
  release: ["/admin/v1/release", 5000],
  contract: ["/admin/v1/contract?format=json", 30000],
  policy: ["/admin/v1/policy", 30000],
};

const PANELS = [
  ["answers", "Answers now", Answers, "status", "wide"],
  ["ladder", "Ladder", Ladder, "history", ""],
  ["predictions", "Predictions", Predictions, "history", "two tall"],
  ["breakers", "Breakers", Breakers, "status", ""],
  ["violations", "Violations by field", Violations, "history", ""],
  ["events", "Incidents and audit", Events, "incidents", "two"],
  ["release", "Release", Release, "status", ""],
  ["targets", "Targets", Targets, "slo", ""],
  ["budgets", "Budgets", Budgets, "status", ""],
  ["contract", "Contract", Contract, "contract", "wide"],
  ["policy", "Policy in force", PolicyInForce, "policy", "wide"],
];

function Login({ signedIn }) {
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const field = event.target.elements.token;
    try {
      const reply = await ask("POST", "/console/session", { token: field.value.trim() });
      if (reply.status === 200) signedIn(reply.document);
      else setWrong(problem(reply));
    } catch {
      setWrong("guard does not answer");
    }
    field.value = "";
    setBusy(false);
  };
  return html`<main><form class="login" onSubmit=${submit}>
    <h1>guard console</h1>
    <label>Token<input name="token" type="password" autocomplete="off" required autofocus /></label>
    <p class="soft">The secret of a line of <code>admin.tokens</code>, or the file <code>admin.token</code> in guard's state folder.</p>
    <p class="wrong" role="alert">${wrong}</p>
    <button disabled=${busy}>Sign in</button>
  </form></main>`;
}

function Page({ who, signedOut }) {
  const [all, setAll] = useState({});
  const [polls, setPolls] = useState({});
  const [order, setOrder] = useState(null);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const started = {};
    const begin = (name, [path, every]) => {
      const changed = (state) => setAll((before) => ({ ...before, [name]: state }));
      started[name] = new Poll(path, every, changed, signedOut).start();
    };
    let ended = false;
    begin("status", DOCUMENTS.status);
    ask("GET", "/admin/v1/openapi.json")
      .then((reply) => Object.keys(reply.document.paths), () => Object.values(DOCUMENTS).map(([path]) => path.split("?")[0]))
      .then((known) => {
        if (ended) return;
        for (const [name, [path, every]] of Object.entries(DOCUMENTS)) {
          if (name === "status") continue;
          if (known.includes(path.split("?")[0])) begin(name, [path, every]);
          else setAll((before) => ({ ...before, [name]: { absent: true } }));
        }
      });
    setPolls(started);
    const shown = () => !document.hidden && Object.values(started).forEach((poll) => poll.now());
    document.addEventListener("visibilitychange", shown);
    const clock = setInterval(() => !document.hidden && setNow(Date.now()), 1000);
    return () => {
      ended = true;
      document.removeEventListener("visibilitychange", shown);
      clearInterval(clock);
      Object.values(started).forEach((poll) => poll.stop());
    };
  }, []);
  const loaded = Boolean(all.status && all.status.data);
  useEffect(() => {
    const target = loaded && location.hash ? document.getElementById(location.hash.slice(1)) : null;
    if (target) target.scrollIntoView();
  }, [loaded]);
  const leave = async () => {
    await ask("DELETE", "/console/session").catch(() => null);
    signedOut();
  };
  const status = all.status || {};
  const silent = status.error && (!status.at || now - status.at > 6000);
  const shown = PANELS.filter(([id, , , document]) => !(all[document] || {}).absent && (id !== "budgets" || (status.data || {}).budgets));
  const operator = who.role === "operator";
  const done = () => {
    setOrder(null);
    for (const name of ["status", "incidents", "audit"]) polls[name] && polls[name].now();
  };
  return html`<a class="skip" href="#answers">Skip to what answers now</a>
    <header class="top"><h1>guard · ${who.service}</h1>
      <span class="soft">${status.data ? `guard ${status.data.guard}` : ""}</span>
      <span class="end"><${When} at=${new Date(now).toISOString()} now=${now} bare=${true} />
        <span class="soft">${who.name}, ${who.role}</span><button class="small" onClick=${leave}>Sign out</button></span></header>
    <div role="status" aria-live="polite">${silent &&
    html`<p class="banner">guard does not answer. ${status.at ? `What you see is of ${new Date(status.at).toISOString().slice(11, 19)} UTC.` : "Nothing could be read yet."} It is asked again by itself.</p>`}</div>
    <main>
      <${Questions} all=${all} now=${now} />
      <nav aria-label="Panels"><ul>${shown.map(([id, title]) => html`<li key=${id}><a href=${`#${id}`}>${title}</a></li>`)}</ul></nav>
      <div class="grid">${shown.map(
        ([id, title, Panel, document, span]) => html`<section key=${id} id=${id} class=${span} aria-labelledby=${`${id}-title`} tabindex="-1">
          <header><h2 id=${`${id}-title`}>${title}</h2><${Freshness} state=${all[document]} now=${now} /></header>
          ${all[document] && all[document].data
            ? html`<${Panel} data=${all[document].data} all=${all} now=${now} operator=${operator} give=${setOrder} />`
            : html`<p class="soft">${all[document] && all[document].error ? `Cannot be read: ${all[document].error}.` : "Loading …"}</p>`}
        </section>`,
      )}</div>
    </main>
    ${order && html`<${OrderDialog} order=${order} who=${who} status=${status.data} done=${done} close=${() => setOrder(null)} />`}`;
}

function App() {
  const [who, setWho] = useState(undefined);
  useEffect(() => {
    ask("GET", "/console/session").then(
      (reply) => setWho(reply.status === 200 && reply.document.name ? reply.document : null),
      () => setWho(null),
    );
  }, []);
  if (who === undefined) return html`<main><h1>guard</h1><p>Loading …</p></main>`;
  if (who === null) return html`<${Login} signedIn=${setWho} />`;
  return html`<${Page} who=${who} signedOut=${() => setWho(null)} />`;
}

const root = document.getElementById("root");
root.replaceChildren();
render(html`<${App} />`, root);
