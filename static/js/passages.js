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

/** Put `mark` around every occurrence of `words` in `text`; overlapping ones (word pairs of Chinese) become one. */
export function withWords(text, words) {
  const parts = [];
  let last = 0;
  for (const [start, end] of ranges(text.toLowerCase(), words)) {
    parts.push(text.slice(last, start), el("mark", {}, text.slice(start, end)));
    last = end;
  }
  return [...parts, text.slice(last)];
}

/** Return where `words` stand in `text`, merged and in order; pure. */
export function ranges(text, words) {
  const found = [];
  for (const word of words.map((each) => each.toLowerCase()).filter(Boolean)) {
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) found.push([at, at + word.length]);
  }
  const merged = [];
  for (const range of found.sort((a, b) => a[0] - b[0])) {
    if (merged.length && range[0] <= merged.at(-1)[1]) merged.at(-1)[1] = Math.max(merged.at(-1)[1], range[1]);
    else merged.push([...range]);
  }
  return merged;
}
