// The life of a document as people see it: its state in words, and waiting until it is ready.

import { get } from "./api.js";
import { fill, gettext, percent } from "./i18n.js";

const POLL_MS = 2000;

export const isOpen = (document) => document.status === "queued" || document.status === "processing";

/** Say a document's state in plain words. */
export function stateText(document) {
  if (document.status === "queued") return gettext("Waiting to be read");
  if (document.status === "processing") return fill(gettext("Being read and indexed: %(progress)s"), { progress: percent(document.progress ?? 0) });
  if (document.status === "failed") return gettext("Failed");
  return gettext("Ready");
}

/** What went wrong, in words. The API gives a text or an object. */
export function errorText(document) {
  const error = document.error;
  if (!error) return "";
  return typeof error === "string" ? error : error.detail ?? error.code ?? "";
}

/** Ask for a document until it has ended, calling `changed(document)` each time; frames of the socket only make it faster. */
export async function follow(id, changed) {
  for (;;) {
    const document = await get(`documents/${id}/`).catch((error) => (error.status === 404 ? null : undefined));
    if (document === null) return null;
    if (document) changed(document);
    if (document && !isOpen(document)) return document;
    await nudged(id);
  }
}

function nudged(id) {
  return new Promise((resolve) => {
    const done = (event) => {
      if (event?.detail && event.detail.document !== id) return;
      removeEventListener("document-progress", done);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, POLL_MS);
    addEventListener("document-progress", done);
  });
}
