// Talks to the REST API: CSRF, idempotency keys, and problem details turned into words for people.

import { fill, gettext } from "./i18n.js";

const ROOT = "/api/v1/";

/** A call that failed. `status` 0: the server was not reached. */
export class ApiError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(explain(status, problem, retryAfter));
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? {};
    this.retryAfter = retryAfter;
  }
}

function explain(status, problem, retryAfter) {
  if (status === 0) return gettext("The server cannot be reached. Check the connection and try again.");
  if (status === 401) return gettext("You are signed out. Sign in again; what you have written stays here.");
  if (status === 429 && retryAfter) {
    return fill(gettext("Too many requests. Try again in %(seconds)s seconds."), { seconds: retryAfter });
  }
  const fields = Object.values(problem.errors ?? {}).flat(Infinity).filter((text) => typeof text === "string");
  return fields.join(" ") || problem.detail || problem.title || gettext("Something went wrong. Try again.");
}

// The cookie, not a token in the page: a log-in in another tab renews it.
const CSRF_COOKIE = /(?:^|; )(?:__Host-csrf|clawai_csrf)=([^;]+)/;

const csrfToken = () => CSRF_COOKIE.exec(document.cookie)?.[1] ?? "";

/** The headers that a changing call needs. */
export const writeHeaders = () => ({ "X-CSRFToken": csrfToken(), "Idempotency-Key": newId() });

/** A random id, also where the page is not served over HTTPS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Turn an answer that is no success into an error, and tell the page when the session has ended. */
export function failure(status, text, retryAfter) {
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy's page instead of problem details: the status alone must do.
  }
  const error = new ApiError(status, problem, Number(retryAfter) || null);
  if (status === 401 || error.code === "not_authenticated") document.dispatchEvent(new CustomEvent("session-ended"));
  return error;
}

/** Call the API; `path` is below `/api/v1/` or begins with a slash. */
export async function call(method, path, body, { keepalive = false, signal } = {}) {
  const headers = { Accept: "application/json", ...(method === "GET" ? {} : writeHeaders()) };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const address = path.startsWith("/") || path.startsWith("http") ? path : ROOT + path;
  const response = await reach(address, { method, headers, keepalive, signal, body: JSON.stringify(body) });
  const text = response.status === 204 ? "" : await response.text();
  if (!response.ok) throw failure(response.status, text, response.headers.get("Retry-After"));
  return text ? JSON.parse(text) : null;
}

async function reach(address, options) {
  try {
    return await fetch(address, { credentials: "same-origin", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body = {}, options) => call("POST", path, body, options);
export const patch = (path, body) => call("PATCH", path, body);
export const put = (path, body) => call("PUT", path, body);
export const remove = (path, options) => call("DELETE", path, undefined, options);

/** Fetch every page of a cursor-paginated list, at most `limit` rows. */
export async function all(path, { limit = 5000, signal } = {}) {
  const rows = [];
  let next = path;
  while (next && rows.length < limit) {
    const page = await get(next, { signal });
    if (Array.isArray(page)) return page;
    rows.push(...page.results);
    next = page.next ? sameOrigin(page.next) : null;
  }
  return rows;
}

/** Keep only path and query: behind a proxy the server may name another host than the page's. */
export function sameOrigin(address) {
  const url = new URL(address, location.href);
  return url.pathname + url.search;
}
