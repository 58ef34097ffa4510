// Pieces that several panels share.
import { html } from "./vendor/preact-htm.mjs";
import { ago, count, RUNGS, share, sum, utc } from "./format.mjs";

export function When({ at, now, bare }) {
  if (!at) return null;
  const text = utc(at);
  return html`<time datetime=${at}>${text}${bare || !text ? "" : html` <span class="soft">(${ago((now - Date.parse(at)) / 1000)})</span>`}</time>`;
}

export function Freshness({ state, now }) {
  if (!state || !state.at) return null;
  const age = (now - state.at) / 1000;
  return state.error ? html`<span class="stale">stale: of ${ago(age)}; ${state.error}</span>` : null;
}

export const Mark = ({ kind, children }) => html`<span class=${`mark ${kind}`}>${children}</span>`;

// Numbers of the last minute by what a series is of: [[route, kind, …words, count]].
export function lately(history, kind, route) {
  return ((history && history.recent) || []).filter((row) => row[1] === kind && (route === undefined || row[0] === route));
}

export function sources(history, route) {
  const total = {};
  for (const row of lately(history, "source", route)) total[row[2]] = (total[row[2]] || 0) + row[3];
  return total;
}

export function top(counts) {
  const names = Object.keys(counts).filter((name) => name !== "none" && counts[name] > 0);
  return names.sort((a, b) => counts[b] - counts[a])[0] || null;
}

// Class shares of the last ten minutes by version and output, and of the time before.
export function classes(history) {
  const found = {};
  for (const line of (history && history.series) || []) {
    const [route, kind, version, output, name] = line.of;
    if (kind !== "class") continue;
    const key = `${route} · ${output} · ${version || "no version"}`;
    found[key] = found[key] || [];
    found[key].push({ name, late: sum(line.points.slice(-10)), early: sum(line.points.slice(0, -10)), points: line.points });
  }
  return found;
}

function collapse(history) {
  for (const [key, lines] of Object.entries(classes(history))) {
    const late = sum(lines.map((line) => line.late));
    const early = sum(lines.map((line) => line.early));
    const first = [...lines].sort((a, b) => b.late - a.late)[0];
    if (late >= 50 && first.late / late >= 0.95 && (!early || first.early / early < 0.8))
      return [`${first.name}: ${share(first.late, late)}`, `of the last 10 min; ${early ? share(first.early, early) : "nothing"} before · ${key}`, "warn"];
  }
  return null;
}

const STAGES = { shadow: "is tried beside the model", aa: "is compared with itself", canary: "answers a part", aborted: "was aborted", promoted: "became the model" };

function candidate(release) {
  const role = release && release.roles && release.roles.candidate;
  const stage = release && STAGES[release.stage];
  return stage ? `; candidate ${(role && role.version) || ""} ${stage}` : "";
}

function answering(status, history, moving) {
  if (!status) return ["Loading …", "", ""];
  const counts = sources(history);
  const total = sum(Object.values(counts));
  const now = status.answers_now || top(counts);
  const lowered = status.mode !== "normal" || status.routes.some((route) => route.mode !== "normal");
  const detail = total ? `${share(counts[now] || 0, total)} of ${count(total)} requests of the last minute` : "no request in the last minute";
  const why = lowered ? `; ordered: ${status.reason || (status.routes.find((route) => route.reason) || {}).reason || ""}` : "";
  const release = status.release ? `; release ${status.release.version}` : "";
  return [now || "nothing asked yet", detail + why + release + candidate(moving), lowered || (now && now !== RUNGS[0]) ? "bad" : now ? "good" : ""];
}

function sound(all) {
  const found = all.history && collapse(all.history.data);
  if (found) return found;
  const alarms = ((all.incidents && all.incidents.data && all.incidents.data.open) || []).filter((item) => /drift|monitor|model_/.test(item.kind || ""));
  if (alarms.length) return [alarms[0].summary, "see incidents", "warn"];
  const predicted = all.history && Object.keys(classes(all.history.data)).length;
  return predicted ? ["no collapse seen", "no class took 95 % of the last 10 min", "good"] : ["not known", "no class was predicted in the last hours", ""];
}

function breaking(history) {
  const found = {};
  for (const line of (history && history.series) || [])
    if (line.of[1] === "violation") {
      const name = `${line.of[3] || "the whole body"}: ${line.of[4]}`;
      found[name] = (found[name] || 0) + sum(line.points.slice(-10));
    }
  const [first] = Object.entries(found).sort((a, b) => b[1] - a[1]);
  return first && first[1] ? [first[0], `${count(first[1])} in the last 10 min`, "warn"] : ["nothing", "no violation in the last 10 min", "good"];
}

function paged(all) {
  const open = (all.incidents && all.incidents.data && all.incidents.data.open) || [];
  const owner = all.status && all.status.data && all.status.data.owner;
  const name = (owner && [owner.team, owner.page].filter(Boolean).join(", ")) || "nobody: declare owners.incidents";
  return [open.length ? `${open.length} open` : "nothing open", `told: ${name}`, open.length ? "warn" : owner ? "good" : ""];
}

export function Questions({ all }) {
  const status = all.status && all.status.data;
  const history = all.history && all.history.data;
  const back = status && status.back;
  const rows = [
    ["Who answers now?", answering(status, history, all.release && all.release.data)],
    ["Is the model sound?", sound(all)],
    ["What breaks?", breaking(history)],
    ["Who is told?", paged(all)],
    ["How to go back?", back ? [back, "or the Restore button of a route", "warn"] : [status ? "nothing to undo" : "Loading …", "no order is in force", status ? "good" : ""]],
  ];
  return html`<dl class="questions" aria-live="polite">${rows.map(
    ([question, [answer, detail, kind]]) => html`<div key=${question} class=${kind}><dt>${question}</dt><dd>${answer}</dd><dd>${detail}</dd></div>`,
  )}</dl>`;
}
