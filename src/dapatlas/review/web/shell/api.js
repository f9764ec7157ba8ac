// Talking with the server: JSON in, JSON out, and every failure as one kind of error.

/** What went wrong with a request; `status` 0 means that no answer came at all. */
class ApiError extends Error {
  constructor(status, code, detail, body = null, retryAfter = 0) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.body = body;
    this.retryAfter = retryAfter; // seconds to wait, where the server says so
  }

  /** Whether trying again later may help. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * The one door to the server. Fires `signed-out` when the server no longer knows us, and `reader-changed` when another
 * window has signed in as somebody else.
 */
class Api extends EventTarget {
  session = null;

  get(path) {
    return this.#send("GET", path);
  }

  post(path, body, options) {
    return this.#send("POST", path, body, options);
  }

  put(path, body, options) {
    return this.#send("PUT", path, body, options);
  }

  patch(path, body, options) {
    return this.#send("PATCH", path, body, options);
  }

  /** Ask who is signed in. */
  async openSession() {
    return this.#hold(await this.#send("GET", "/api/session"));
  }

  async signIn(name, password) {
    const body = password === undefined ? { name } : { name, password };
    return this.#hold(await this.#send("POST", "/api/session", body));
  }

  async signOut() {
    await this.#send("DELETE", "/api/session");
    return this.openSession();
  }

  /** Whether the signed-in reader may do what this role may. */
  may(role) {
    const ranks = ["reader", "adjudicator", "admin"];
    return ranks.indexOf(this.session?.reader?.role ?? "") >= ranks.indexOf(role);
  }

  #hold(session) {
    this.session = session;
    return session;
  }

  async #send(method, path, body, { keepalive = false, again = true } = {}) {
    const answer = await this.#fetch(method, path, body, keepalive);
    const held = await read(answer);
    if (answer.ok) return held;
    const error = failure(answer, held);
    if (path !== "/api/session" || method !== "POST") {
      if (answer.status === 401) this.dispatchEvent(new CustomEvent("signed-out"));
      if (answer.status === 403 && again && UNSAFE.has(method) && (await this.#tokenRenewed())) {
        return this.#send(method, path, body, { keepalive, again: false });
      }
    }
    throw error;
  }

  async #fetch(method, path, body, keepalive) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (UNSAFE.has(method) && this.session?.csrf) headers["X-CSRF-Token"] = this.session.csrf;
    const options = { method, headers, credentials: "same-origin", cache: "no-store", keepalive };
    if (body !== undefined) options.body = JSON.stringify(body);
    try {
      return await fetch(path, options);
    } catch (error) {
      throw new ApiError(0, "no-answer", "The server does not answer.", { cause: String(error) });
    }
  }

  /** After a refusal: whether we are still the same reader, now with another token. */
  async #tokenRenewed() {
    const before = this.session;
    const now = await this.#send("GET", "/api/session");
    if (now.reader?.name !== before?.reader?.name) {
      const kind = now.reader ? "reader-changed" : "signed-out";
      this.dispatchEvent(new CustomEvent(kind, { detail: now }));
      return false;
    }
    this.session = now;
    return now.csrf !== before?.csrf;
  }
}

async function read(answer) {
  if (answer.status === 204) return null;
  const text = await answer.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // a proxy's page of its own, say: the status tells enough
  }
}

function failure(answer, held) {
  const detail = typeof held?.detail === "string" ? held.detail : `The server answered ${answer.status}.`;
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  return new ApiError(answer.status, held?.code ?? `http-${answer.status}`, detail, held, wait);
}

export const api = new Api();
/** The path of a case, safe for any id. */
export const casePath = (id, rest = "") => `/api/cases/${encodeURIComponent(id)}${rest}`;
