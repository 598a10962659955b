// Citations: chips in the text, the card that floats over them, and the panel with the document's own words.

import { get } from "./api.js";
import { el, icon, iconButton } from "./dom.js";
import { fill, gettext } from "./i18n.js";
import { marked } from "./passages.js";
import { closePanel, openPanel } from "./panel.js";

const CARD_DELAY_MS = 120;
let card = null;
let timer = null;

/** Make the chip of a citation. */
export function chip(citation) {
  const label = fill(gettext("Source %(number)s: %(name)s"), { number: citation.number, name: citation.document_name });
  const node = el("button", { type: "button", class: "chip", "aria-label": label }, String(citation.number));
  node.addEventListener("click", () => { hideCard(); showPassage(citation); });
  node.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && showCardSoon(node, citation));
  node.addEventListener("pointerleave", hideCard);
  node.addEventListener("focus", (event) => {
    const back = event.relatedTarget?.closest("#panel");
    if (!back && node.matches(":focus-visible")) showCard(node, citation);
  });
  node.addEventListener("blur", hideCard);
  return node;
}

function showCardSoon(node, citation) {
  clearTimeout(timer);
  timer = setTimeout(() => showCard(node, citation), CARD_DELAY_MS);
}

function showCard(node, citation) {
  hideCard();
  card = el(
    "div",
    { class: "hover-card", role: "tooltip", id: "citation-card" },
    el("strong", {}, citation.document_name),
    el("small", {}, where(citation)),
    el("p", {}, citation.quote),
  );
  document.body.append(card);
  node.setAttribute("aria-describedby", "citation-card");
  const at = node.getBoundingClientRect();
  const size = card.getBoundingClientRect();
  const above = at.top - size.height - 6;
  card.style.top = `${above > 8 ? above : at.bottom + 6}px`;
  card.style.left = `${Math.min(Math.max(8, at.left - 24), innerWidth - size.width - 8)}px`;
}

function hideCard() {
  clearTimeout(timer);
  card?.remove();
  card = null;
}

addEventListener("keydown", (event) => event.key === "Escape" && hideCard());
addEventListener("scroll", hideCard, { capture: true, passive: true });

/** Say where in its document a passage stands. */
export function where(citation) {
  return [
    fill(gettext("Version %(number)s"), { number: citation.version_number }),
    citation.page ? fill(gettext("page %(page)s"), { page: citation.page }) : "",
    citation.heading_path,
  ].filter(Boolean).join(" · ");
}

/** Say why a passage was chosen: its rank in each leg and the words it shares with the question. */
export function reasons(hit) {
  const words = (hit.matched_terms ?? []).slice(0, 12);
  return [
    hit.rank_vector ? el("span", { class: "badge badge-accent" }, fill(gettext("by meaning: no. %(rank)s"), { rank: hit.rank_vector })) : null,
    hit.rank_text ? el("span", { class: "badge badge-accent" }, fill(gettext("by words: no. %(rank)s"), { rank: hit.rank_text })) : null,
    ...words.map((word) => el("span", { class: "badge" }, word)),
  ];
}

/** Open the side panel at the passage of a citation. */
export async function showPassage(citation) {
  const body = el("div", { class: "panel-body scroll", tabindex: "0" }, skeleton());
  openPanel(
    el("div", { class: "panel-head" },
      el("div", {}, el("h2", {}, citation.document_name), el("p", {}, where(citation))),
      citation.document ? openLink(citation) : null,
      iconButton("close", gettext("Close"), closePanel)),
    reasons(citation).some(Boolean) ? el("div", { class: "panel-why" }, reasons(citation)) : null,
    body,
  );
  body.replaceChildren(...(await documentText(citation)));
  body.querySelector("mark")?.scrollIntoView({ block: "center" });
}

function openLink(citation) {
  const label = gettext("Open the document");
  return el("a", { class: "icon-button", href: `/knowledge/documents/${citation.document}/`, "aria-label": label, title: label }, icon("external"));
}

const skeleton = () => el("div", { class: "skeleton" }, Array.from({ length: 6 }, () => el("span")));

async function documentText(citation) {
  const query = new URLSearchParams({ version: citation.version_number, start: citation.start, end: citation.end });
  try {
    if (!citation.document) throw new Error("gone");
    const found = await get(`/knowledge/documents/${citation.document}/text/?${query}`);
    return [marked(found, citation), found.current ? null : changed()].filter(Boolean).reverse();
  } catch {
    return [
      el("p", { class: "notice" }, gettext("The document itself is not available to you any more. This is the passage as it was when the answer was written.")),
      el("p", { class: "passage-text" }, el("mark", {}, citation.quote)),
    ];
  }
}

const changed = () =>
  el("p", { class: "notice" }, gettext("The document has a newer version. You see the one that the answer rests on."));
