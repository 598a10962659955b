// Deletion with undo: the act itself waits until the note has gone, or the page is left.

import { gettext } from "./i18n.js";
import { toast } from "./toast.js";

const GRACE_MS = 6000;
const waiting = new Set();

addEventListener("pagehide", () => waiting.forEach((finish) => finish({ leaving: true })));

/** Say `text` with Undo; after the grace `act({leaving})` runs, on Undo `restore()`. */
export function later(text, act, restore) {
  let done = false;
  const finish = (how) => {
    if (done) return;
    done = true;
    waiting.delete(finish);
    clearTimeout(timer);
    act(how);
  };
  const timer = setTimeout(() => finish({ leaving: false }), GRACE_MS);
  waiting.add(finish);
  const undo = () => {
    if (done) return;
    done = true;
    waiting.delete(finish);
    clearTimeout(timer);
    restore();
  };
  toast(text, { action: { label: gettext("Undo"), run: undo }, milliseconds: GRACE_MS });
}
