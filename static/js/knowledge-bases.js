// The list of knowledge bases, and making a new one.

import { all, post } from "./api.js";
import { BaseForm } from "./base-form.js";
import { button, el, find, icon, pageData } from "./dom.js";
import { bytes, fill, gettext, moment, ngettext } from "./i18n.js";
import { start } from "./shell.js";
import { visibilityBadge } from "./visibility.js";

const content = find("#content");
const { sharing: mayShare } = pageData("page-data");

async function load() {
  try {
    draw(await all("knowledge-bases/"));
  } catch (error) {
    content.replaceChildren(el("div", { class: "empty" }, el("p", {}, error.message), button(gettext("Try again"), load)));
  }
}

function draw(bases) {
  if (!bases.length) {
    content.replaceChildren(el("div", { class: "empty" }, icon("book"), el("h2", {}, gettext("No knowledge base yet")),
      el("p", {}, gettext("Make one, add documents, and answers will rest on them.")), newButton("button-primary")));
    return;
  }
  content.replaceChildren(el("ul", { class: "cards" }, bases.map((base) => el("li", {}, card(base)))));
}

function card(base) {
  return el(
    "a",
    { class: "card", href: `/knowledge/${encodeURIComponent(base.slug)}/` },
    el("h2", {}, icon("book"), base.name),
    el("p", {}, base.description),
    el("div", { class: "meta" },
      el("span", {}, fill(ngettext("%(count)s document", "%(count)s documents", base.documents), { count: base.documents })),
      base.size ? el("span", {}, bytes(base.size)) : null,
      visibilityBadge(base.visibility),
      base.failed ? el("span", { class: "badge badge-danger" }, fill(gettext("%(count)s failed"), { count: base.failed })) : null,
      el("span", {}, fill(gettext("changed %(when)s"), { when: moment(base.updated_at) }))),
  );
}

const newButton = (look) => button(gettext("New knowledge base"), create, { icon: "plus", class: look });

async function create() {
  const made = await new BaseForm({ title: gettext("New knowledge base"), label: gettext("Create"), mayShare, save: (fields) => post("knowledge-bases/", fields) }).show();
  if (made) location.assign(`/knowledge/${encodeURIComponent(made.slug)}/`);
}

start();
find("#page-actions").append(newButton("button-primary"));
load();
