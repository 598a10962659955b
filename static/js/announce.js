// Says things to screen readers, politely, one after the other.

const region = () => document.getElementById("announcer");

/** Announce a text. */
export function announce(text) {
  if (!text || !region()) return;
  const line = document.createElement("p");
  line.textContent = text;
  region().append(line);
  while (region().childElementCount > 8) region().firstElementChild.remove();
}
