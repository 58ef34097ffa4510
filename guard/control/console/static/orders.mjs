// Kill and restore: a reason always, and the name of the service before a kill.
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.mjs";
import { ask, problem } from "./api.mjs";

const MODES = ["previous", "cached", "rules", "disabled"];
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function command(kind, route, mode, reason) {
  const scope = route ? ` --route ${quoted(route)}` : "";
  const word = kind === "kill" && mode !== "rules" ? ` --to ${mode}` : "";
  return `guard ${kind}${word}${scope} --reason ${quoted(reason || "…")}`;
}

export function OrderDialog({ order, who, status, done, close }) {
  const place = useRef(null);
  const [mode, setMode] = useState("rules");
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const [epoch] = useState(status.epoch); // of the status that the decision was made from
  const kill = order.kind === "kill";
  useEffect(() => {
    const before = document.activeElement;
    place.current.showModal();
    return () => before && before.focus && before.focus();
  }, []);
  const ready = reason.trim() && (!kill || typed === who.service) && !busy;
  const submit = async (event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    try {
      const body = { mode: kill ? mode : "normal", reason: reason.trim(), route: order.route };
      const reply = await ask("PUT", "/admin/v1/mode", body, kill ? {} : { "if-match": `"${epoch}"` });
      if (reply.status === 200) done();
      else setWrong(problem(reply));
    } catch {
      setWrong("guard does not answer; look at the status before you try again");
    }
    setBusy(false);
  };
  return html`<dialog ref=${place} onClose=${close} aria-labelledby="order-title"><form onSubmit=${submit}>
    <h2 id="order-title">${kill ? "Kill" : "Restore"}: ${order.route || "the whole service"}</h2>
    ${kill && html`<label>Highest rung that may still answer<select value=${mode} onChange=${(event) => setMode(event.target.value)}>${MODES.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`}
    <label>Reason, for the audit<input name="reason" required maxlength="500" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>
    ${kill && html`<label>Type the name of the service, <code>${who.service}</code><input name="confirm" required autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>`}
    <p class="soft">The same by hand: <code>${command(order.kind, order.route, mode, reason)}</code></p>
    <p class="wrong" role="alert">${wrong}</p>
    <div class="row"><button class=${kill ? "bad" : ""} disabled=${!ready}>${kill ? "Kill" : "Restore"}</button><button type="button" onClick=${() => place.current.close()}>Cancel</button></div>
  </form></dialog>`;
}
