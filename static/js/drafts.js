// What was typed and not sent, by conversation; it survives a reload.

const PREFIX = "clawai.draft.";
const key = (conversation) => PREFIX + (conversation ?? "new");

/** Return the draft of a conversation (null: the one not begun). */
export const load = (conversation) => localStorage.getItem(key(conversation)) ?? "";

/** Keep a draft; an empty one is forgotten. */
export function keep(conversation, text) {
  try {
    if (text) localStorage.setItem(key(conversation), text);
    else localStorage.removeItem(key(conversation));
  } catch {
    // A full or closed storage costs the draft, not the page.
  }
}
