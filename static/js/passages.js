// Shows a stretch of a document's text with one passage marked.

import { el } from "./dom.js";

/** Cut `text` (which begins at character `offset` of the document) around characters start..end. Characters are code points, as the server counts them. */
export function cut({ text, offset }, { start, end }) {
  const points = Array.from(text);
  const from = Math.max(0, start - offset);
  const to = Math.max(from, end - offset);
  return [points.slice(0, from), points.slice(from, to), points.slice(to)].map((part) => part.join(""));
}

/** Make the node of a text with its passage marked. */
export function marked(found, passage) {
  const [before, inside, after] = cut(found, passage);
  return el("div", { class: "passage-text" }, before, el("mark", {}, inside), after);
}

/** Put `mark` around every occurrence of `words` in `text`; returns nodes and strings. */
export function withWords(text, words) {
  const wanted = words.filter(Boolean).sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!wanted.length) return [text];
  return text.split(new RegExp(`(${wanted.join("|")})`, "giu")).map((part, at) => (at % 2 ? el("mark", {}, part) : part));
}
