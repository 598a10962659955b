// The frame of every signed-in page: sidebar, account menu, shortcuts, and the end of the session.

import { accountMenu } from "./account-menu.js";
import { el, find } from "./dom.js";
import { gettext } from "./i18n.js";
import { listenForKeys } from "./keys.js";
import { Sidebar } from "./sidebar.js";
import { paintBar } from "./theme.js";

const KEY = "clawai.sidebar";
const app = find(".app");
const narrow = matchMedia("(max-width: 760px)");

const { name, operator, adminUrl, loginUrl, passwordUrl } = app.dataset;
export const user = { name, operator: Boolean(operator), adminUrl, loginUrl, passwordUrl };
export const sidebar = new Sidebar(find("#sidebar"));

/** Open or close the sidebar; on wide screens the choice is remembered. */
export function setSidebar(open) {
  app.dataset.sidebar = open ? "open" : "closed";
  if (!narrow.matches) localStorage.setItem(KEY, app.dataset.sidebar);
  for (const toggle of document.querySelectorAll('[data-action="open-sidebar"]')) toggle.setAttribute("aria-expanded", String(open));
}

/** After something was chosen on a phone, the drawer has done its work. */
export function closeDrawer() {
  if (narrow.matches) setSidebar(false);
}

function search() {
  setSidebar(true);
  sidebar.search.focus();
  sidebar.search.select();
}

/** Begin; `newChat` is what the shortcut does on this page. */
export function start({ newChat = () => location.assign("/") } = {}) {
  setSidebar(!narrow.matches && localStorage.getItem(KEY) !== "closed");
  narrow.addEventListener("change", () => setSidebar(!narrow.matches));
  for (const node of document.querySelectorAll('[data-action="open-sidebar"]')) node.addEventListener("click", () => setSidebar(true));
  for (const node of document.querySelectorAll('[data-action="close-sidebar"]')) node.addEventListener("click", () => setSidebar(false));
  addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && closeDrawer());
  accountMenu(find("#account"), user, sidebar);
  listenForKeys({ newChat, search });
  document.addEventListener("session-ended", showSignedOut);
  paintBar();
  sidebar.load();
}

/** The session has ended: what was written stays, and a link leads to the sign-in and back. */
export function showSignedOut() {
  const link = el("a", { class: "button button-small", href: `${user.loginUrl}?next=${encodeURIComponent(location.pathname)}` }, gettext("Sign in again"));
  showBanner([el("span", {}, gettext("You have been signed out. What you have written stays here.")), link], { danger: true });
}

/** Show a quiet line above the page's content, or take it away. */
export function showBanner(nodes, { danger = false } = {}) {
  const banner = find("#banner");
  banner.hidden = !nodes;
  banner.classList.toggle("banner-danger", danger);
  banner.replaceChildren(...(nodes ?? []));
}
