// What the page asks the server over HTTP, and the connection over which it hears the show.
// Knows nothing of what is shown.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5_000;
const ANSWER_MS = 15_000;

/** JSON from `path`. Throws an Error whose message can be shown. */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null),
  );
  let response;
  try {
    response = await fetch(`${path}?${query}`, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The show cannot be reached.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said(body) ?? `The server answered ${response.status}.`);
  return body;
}

function said(body) {
  const error = body.error?.message ?? body.error;
  return typeof error === "string" ? error : undefined;
}

/** A WebSocket that comes back by itself. `heard(message)` gets what the server says, `changed(up)`
 *  whether there is a connection; `lastLine()` is from where on lines are wanted. */
export class Live {
  #socket = null;
  #wait = FIRST_WAIT_MS;
  #number = 0;
  #answers = new Map();
  #timer = 0;

  constructor(lastLine, heard, changed) {
    Object.assign(this, { lastLine, heard, changed });
    addEventListener("online", () => this.#soon(0));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.isUp) this.#soon(0);
    });
  }

  get isUp() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.#timer);
    if (this.#socket !== null) return;
    const url = new URL(`/api/live?after=${this.lastLine() ?? 0}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onmessage = (event) => this.#onMessage(JSON.parse(event.data));
    socket.onclose = () => this.#onClose();
  }

  /** Sends a message that nobody answers, if there is a connection. */
  tell(message) {
    if (this.isUp) this.#socket.send(JSON.stringify(message));
  }

  /** Sends a message and waits for its answer: {ok, text}. Throws an Error to be shown. */
  ask(message) {
    if (!this.isUp) throw new Error("There is no connection to the show right now.");
    const to = ++this.#number;
    this.#socket.send(JSON.stringify({ ...message, to }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#answers.delete(to);
        reject(new Error("The show does not answer."));
      }, ANSWER_MS);
      this.#answers.set(to, { resolve, reject, timer });
    });
  }

  #onMessage(message) {
    if (message.type === "hello") {
      this.#wait = FIRST_WAIT_MS;
      this.changed(true);
    }
    if (message.type === "answer" && this.#answers.has(message.to)) {
      const { resolve, timer } = this.#answers.get(message.to);
      this.#answers.delete(message.to);
      clearTimeout(timer);
      resolve(message);
    } else {
      this.heard(message);
    }
  }

  #onClose() {
    this.#socket = null;
    for (const { reject, timer } of this.#answers.values()) {
      clearTimeout(timer);
      reject(new Error("The connection broke before an answer came."));
    }
    this.#answers.clear();
    this.changed(false);
    // Not all pages at once, when a show comes back.
    this.#soon(this.#wait * (0.5 + Math.random()));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  #soon(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), ms);
  }
}
