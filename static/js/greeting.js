// The empty chat: greets, says what this assistant knows, and offers questions that work.

import { el, icon } from "./dom.js";
import { fill, gettext, ngettext } from "./i18n.js";

/** Make the greeting; `ask(text)` sends an example. */
export function greeting({ user, bases, examples, model, welcome }, ask) {
  return el(
    "div",
    { class: "greeting" },
    el("div", {}, el("h2", {}, welcome || fill(gettext("Hello, %(name)s. What would you like to know?"), { name: user.name })), el("p", {}, introduction(bases))),
    bases.length ? el("ul", { class: "known", "aria-label": gettext("Knowledge bases") }, bases.slice(0, 8).map(base)) : null,
    examples.length ? el("ul", { class: "examples", "aria-label": gettext("Example questions") }, examples.map((text) => example(text, ask))) : null,
    model.configured ? null : modelNotice(user, model),
  );
}

function introduction(bases) {
  const count = bases.reduce((sum, each) => sum + each.documents, 0);
  if (!count) return gettext("There are no documents to answer from yet. Attach one below, or fill a knowledge base.");
  return fill(
    ngettext("I answer from %(count)s document and show the passages behind every answer.", "I answer from %(count)s documents and show the passages behind every answer.", count),
    { count },
  );
}

const base = ({ name, slug, documents }) =>
  el("li", {}, el("a", { href: `/knowledge/${encodeURIComponent(slug)}/` }, icon("book"), name, el("small", {}, String(documents))));

const example = (text, ask) =>
  el("li", {}, el("button", { type: "button", on: { click: () => ask(text) } }, el("span", {}, text), icon("send")));

function modelNotice(user, model) {
  return el("div", { class: "notice" }, icon("info"), el("div", {},
    gettext("No language model is configured. Until then a built-in answerer composes answers from the passages it finds."), " ",
    user.operator ? el("a", { href: model.adminUrl }, gettext("Configure a model in Admin")) : gettext("An operator can set one in Admin.")));
}
