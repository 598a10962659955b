// Markdown to safe nodes: the only place where text of a model becomes HTML.

import MarkdownIt from "../vendor/markdown-it/markdown-it.js";
import DOMPurify from "../vendor/dompurify/purify.js";
import { copyText } from "./clipboard.js";
import { icon } from "./dom.js";
import { colour } from "./highlight.js";
import { gettext } from "./i18n.js";
import { mathematics } from "./math.js";

/** Fires `ready` when something loaded late (a language, KaTeX) makes a new rendering worth while. */
export const late = new EventTarget();
const ready = () => late.dispatchEvent(new Event("ready"));

const SAFE_LINK = /^(https?:|mailto:)/i;
const md = new MarkdownIt({ html: false, linkify: true, breaks: true, typographer: false });
const escape = md.utils.escapeHtml;

md.validateLink = (address) => SAFE_LINK.test(address.trim());
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
mathematics(md, ready);

// An image of a model would report the reader to whoever serves it: shown as a link, never loaded.
md.renderer.rules.image = (tokens, at) => {
  const source = tokens[at].attrGet("src") ?? "";
  const label = escape(`${gettext("Image")}: ${tokens[at].content || source}`);
  return `<a class="blocked-image" href="${escape(source)}">${label}</a>`;
};

md.renderer.rules.fence = md.renderer.rules.code_block = (tokens, at) => {
  const language = tokens[at].info.trim().split(/\s+/)[0].toLowerCase();
  const code = colour(tokens[at].content, language, ready) || escape(tokens[at].content);
  return `<div class="code"><div class="code-head"><span>${escape(language)}</span>` +
    `<button type="button" class="copy-code">${escape(gettext("Copy"))}</button></div>` +
    `<pre tabindex="0"><code>${code}</code></pre></div>\n`;
};

md.renderer.rules.table_open = () => '<div class="table-wrap" tabindex="0"><table>\n';
md.renderer.rules.table_close = () => "</table></div>\n";

// The parser aligns cells by a style attribute, which our Content-Security-Policy forbids.
for (const rule of ["th_open", "td_open"]) {
  md.renderer.rules[rule] = (tokens, at, options, env, self) => {
    const side = /(center|right)/.exec(tokens[at].attrGet("style") ?? "")?.[1];
    tokens[at].attrs = side ? [["class", `align-${side}`]] : null;
    return self.renderToken(tokens, at, options);
  };
}

const TEXT_TAGS = [
  "a", "b", "blockquote", "br", "button", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li",
  "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const MATH_TAGS = [
  "math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts", "mroot", "mrow",
  "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "semantics",
];
const MATH_ATTRIBUTES = [
  "accent", "accentunder", "columnalign", "columnspacing", "display", "displaystyle", "fence", "height", "linethickness", "lspace",
  "mathvariant", "maxsize", "minsize", "notation", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "width",
];
const PLAIN_ATTRIBUTES = ["class", "type", "tabindex", "start", "title", ...MATH_ATTRIBUTES];
const RULES = {
  ALLOWED_TAGS: [...TEXT_TAGS, ...MATH_TAGS],
  ALLOWED_ATTR: ["href", ...PLAIN_ATTRIBUTES],
  ADD_URI_SAFE_ATTR: PLAIN_ATTRIBUTES,
  ALLOWED_URI_REGEXP: SAFE_LINK,
  ADD_FORBID_CONTENTS: ["annotation"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const purifier = globalThis.document ? DOMPurify(globalThis.window) : null;

purifier?.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("referrerpolicy", "no-referrer");
});

/** Return the HTML of Markdown before cleaning: for tests only. */
export const unsafeHtml = (text) => md.render(text);

/** Return a fragment that is safe to show; `mark(number)` makes the chip of citation [number], or null. */
export function render(text, mark = () => null) {
  const fragment = purifier.sanitize(md.render(text), RULES);
  for (const link of fragment.querySelectorAll("a.blocked-image")) link.prepend(icon("image"));
  placeChips(fragment, mark);
  return fragment;
}

const MARKS = /\[(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\]|【(\d{1,3})】/g;

function placeChips(fragment, mark) {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent?.closest("code, pre, a, math, button")) texts.push(walker.currentNode);
  }
  for (const node of texts) replaceMarks(node, mark);
}

function replaceMarks(node, mark) {
  const parts = [];
  let last = 0;
  for (const match of node.data.matchAll(MARKS)) {
    const chips = (match[1] ?? match[2]).split(/\D+/).map((digits) => mark(Number(digits)));
    if (chips.some((chip) => !chip)) continue;
    parts.push(node.data.slice(last, match.index), ...chips);
    last = match.index + match[0].length;
  }
  if (parts.length) node.replaceWith(...parts, node.data.slice(last));
}

/** Make `container` show `fragment`, touching only the blocks that changed: a selection above stays. */
export function patch(container, fragment) {
  const fresh = [...fragment.childNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE || node.data.trim());
  const old = [...container.childNodes];
  fresh.forEach((node, at) => {
    if (!old[at]) container.append(node);
    else if (!old[at].isEqualNode(node)) old[at].replaceWith(node);
  });
  for (const node of old.slice(fresh.length)) node.remove();
}

globalThis.document?.addEventListener("click", async (event) => {
  const copy = event.target.closest?.(".copy-code");
  if (!copy) return;
  await copyText(copy.closest(".code").querySelector("code").textContent);
  copy.textContent = gettext("Copied");
  setTimeout(() => { copy.textContent = gettext("Copy"); }, 1500);
});
