// One document: its state, its versions, and the passages that it was cut into.

import { get, post, remove, sameOrigin } from "./api.js";
import { confirmDanger } from "./dialog.js";
import { errorText, follow, isOpen, stateText } from "./documents.js";
import { button, el, find, icon, pageData } from "./dom.js";
import { bytes, fill, gettext, moment, number } from "./i18n.js";
import { start } from "./shell.js";
import { toast } from "./toast.js";

const data = pageData("page-data");
const state = el("div", { class: "box" });
const list = el("ol", { class: "passages" });
const moreRow = el("div", { class: "row" });

async function load() {
  try {
    draw(await get(`documents/${data.document}/`));
    await passages(`documents/${data.document}/chunks/`);
  } catch (error) {
    list.replaceChildren(el("li", { class: "notice notice-danger" }, error.message));
  }
}

function draw(document) {
  const current = data.versions.find((version) => version.current) ?? data.versions[0];
  const facts = [
    [gettext("State"), stateText(document)],
    [gettext("Version"), current ? String(current.number) : null],
    [gettext("Size"), current ? bytes(current.size) : null],
    [gettext("Type"), current?.type],
    [gettext("Passages"), document.chunks != null ? number(document.chunks) : null],
    [gettext("Added"), moment(document.created_at)],
    [gettext("Source"), document.source],
  ].filter(([, value]) => value);
  state.replaceChildren(el("dl", { class: "facts" }, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    ...(errorText(document) ? [el("p", { class: "notice notice-danger" }, errorText(document))] : []));
  if (isOpen(document) && !draw.following) {
    draw.following = true;
    follow(document.id, draw).then(() => location.reload());
  }
}

/** Show a page of passages, and a button for the next one. */
async function passages(address) {
  const found = await get(address);
  const rows = Array.isArray(found) ? found : found.results;
  list.append(...rows.map(passage));
  if (!list.children.length) list.append(el("li", { class: "empty" }, icon("file"), el("p", {}, gettext("No passages yet."))));
  moreRow.replaceChildren(...(found.next ? [button(gettext("Show more passages"), () => passages(sameOrigin(found.next)))] : []));
  const wanted = location.hash && find(CSS.escape ? `#${CSS.escape(location.hash.slice(1))}` : location.hash);
  if (wanted) {
    wanted.dataset.current = "";
    wanted.scrollIntoView({ block: "center" });
  }
}

function passage(chunk) {
  const place = [fill(gettext("Passage %(number)s"), { number: (chunk.ordinal ?? 0) + 1 }), chunk.heading_path,
    chunk.page ? fill(gettext("page %(page)s"), { page: chunk.page }) : ""].filter(Boolean);
  return el("li", { class: "passage", id: `passage-${chunk.id}` },
    el("header", {}, place.map((text) => el("span", {}, text))), el("p", {}, chunk.text));
}

async function reindex() {
  try {
    await post(`documents/${data.document}/reindex/`);
    location.reload();
  } catch (error) {
    toast(error.message);
  }
}

async function deleteDocument() {
  const text = gettext("Answers that were given keep their quotes. This cannot be undone.");
  if (!(await confirmDanger(gettext("Delete this document?"), text, gettext("Delete")))) return;
  try {
    await remove(`documents/${data.document}/`);
    location.assign(`/knowledge/${encodeURIComponent(data.base.slug)}/`);
  } catch (error) {
    toast(error.message);
  }
}

start();
if (data.editable) {
  find("#page-actions").append(button(gettext("Read again"), reindex, { icon: "refresh" }), button(gettext("Delete"), deleteDocument, { icon: "trash" }));
}
const versions = data.versions.length > 1
  ? el("div", { class: "box" }, el("h3", {}, gettext("Versions")), el("dl", { class: "facts" }, data.versions.flatMap((version) => [
    el("dt", {}, fill(gettext("Version %(number)s"), { number: version.number })), el("dd", {}, moment(version.created_at))])))
  : null;
find("#content").append(el("section", {}, list, moreRow), el("aside", {}, ...[state, versions].filter(Boolean)));
load();
