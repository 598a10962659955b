// The search test: which passages a question finds, with the ranks of both legs and the words matched.

import { post } from "./api.js";
import { reasons } from "./citations.js";
import { field } from "./dialog.js";
import { button, el, find, pageData } from "./dom.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { withWords } from "./passages.js";
import { start } from "./shell.js";

const data = pageData("page-data");
const query = el("input", { class: "input", type: "search", required: true, maxlength: 2000, placeholder: gettext("Type a question as a person would ask it") });
const mode = el("select", { class: "input" },
  [["hybrid", gettext("Both")], ["vector", gettext("Meaning")], ["text", gettext("Words")]].map(([value, label]) => el("option", { value }, label)));
const top = el("input", { class: "input", type: "number", min: 1, max: 50, value: data.topK });
const results = el("div", { "aria-live": "polite" });

async function search() {
  results.replaceChildren(el("p", { class: "notice" }, gettext("Searching…")));
  const began = performance.now();
  try {
    const answer = await post(`knowledge-bases/${data.base.id}/search/`, { query: query.value.trim(), top_k: Number(top.value), mode: mode.value });
    draw(answer, performance.now() - began);
  } catch (error) {
    results.replaceChildren(el("p", { class: "notice notice-danger" }, error.message));
  }
}

function draw({ hits, degraded }, milliseconds) {
  const count = fill(ngettext("%(count)s passage in %(time)s ms", "%(count)s passages in %(time)s ms", hits.length), { count: hits.length, time: Math.round(milliseconds) });
  const words = el("p", { class: "notice notice-warn" }, gettext("The embedding model cannot be reached: this was searched by words alone."));
  results.replaceChildren(
    ...(degraded ? [words] : []),
    el("div", { class: "list-head" }, el("h2", {}, hits.length ? count : gettext("Nothing found. Try other words, or the other mode."))),
    el("ol", { class: "hits" }, hits.map(hit)),
  );
}

function hit(found, at) {
  const place = [found.heading_path, found.page ? fill(gettext("page %(page)s"), { page: found.page }) : ""].filter(Boolean).join(" · ");
  return el("li", { class: "hit" },
    el("header", {}, el("span", { class: "badge badge-accent rank" }, String(at + 1)),
      el("a", { href: `/knowledge/documents/${found.document}/#passage-${found.chunk}` }, found.document_name), el("small", {}, place),
      el("small", { class: "rank" }, fill(gettext("score %(score)s"), { score: found.score.toFixed(3) }))),
    el("p", {}, withWords(found.text, found.matched_terms ?? [])),
    el("div", { class: "meta" }, reasons(found)));
}

start();
const form = el("form", { class: "search-form" },
  field(gettext("Question"), query), field(gettext("Mode"), mode), field(gettext("Passages"), top),
  button(gettext("Search"), null, { type: "submit", class: "button-primary", icon: "search" }));
form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
find("#content").append(form, results);
query.focus();
