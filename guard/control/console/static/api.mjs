// The admin API, as this page asks it: the same documents as the commands read.
// Each document is polled by itself, so that a slow one delays no other; a hidden page asks for nothing.

const WITHIN = 8000;

export async function ask(method, path, body, headers = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    signal: AbortSignal.timeout(WITHIN),
  });
  const text = answer.status === 304 ? "" : await answer.text();
  let document = null;
  try {
    document = text ? JSON.parse(text) : null;
  } catch {
    document = { detail: text };
  }
  return { status: answer.status, document, etag: answer.headers.get("etag") || "" };
}

export function problem(reply) {
  const said = reply.document || {};
  return said.detail || said.title || `guard answered ${reply.status}`;
}

// Follows one document. `changed` is called with {data, at, error, absent} after each answer.
export class Poll {
  constructor(path, every, changed, signedOut) {
    Object.assign(this, { path, every, changed, signedOut, etag: "", state: {}, timer: 0, busy: false, ended: false });
  }

  start() {
    this.ended = false;
    this.now();
    return this;
  }

  stop() {
    this.ended = true;
    clearTimeout(this.timer);
  }

  async now() {
    clearTimeout(this.timer);
    if (this.busy || this.ended || document.hidden) return;
    this.busy = true;
    try {
      const reply = await ask("GET", this.path, undefined, this.etag ? { "if-none-match": this.etag } : {});
      if (this.ended) return;
      if (reply.status === 401) this.signedOut();
      else if (reply.status === 304) this.set({ at: Date.now(), error: "" });
      else if (reply.status === 200) {
        this.etag = reply.etag;
        this.set({ data: reply.document, at: Date.now(), error: "", absent: false });
      } else if (reply.status === 404) this.set({ absent: true, error: problem(reply), at: Date.now() });
      else this.set({ error: problem(reply) });
    } catch {
      this.set({ error: "guard does not answer" });
    } finally {
      this.busy = false;
      if (!this.ended) this.timer = setTimeout(() => this.now(), this.state.absent ? Math.max(60000, this.every) : this.every);
    }
  }

  set(more) {
    this.state = { ...this.state, ...more };
    this.changed(this.state);
  }
}
