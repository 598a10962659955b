// The menu behind one's own name: language, theme, password, Admin, sign out.

import { patch } from "./api.js";
import { find } from "./dom.js";
import { gettext } from "./i18n.js";
import { showKeys } from "./keys.js";
import { openMenu } from "./menu.js";
import * as theme from "./theme.js";

/** Attach the menu to its button; `user` is the page's data of the person signed in. */
export function accountMenu(opener, user, sidebar) {
  opener.addEventListener("click", () => openMenu(opener, () => items(user, sidebar)));
}

function items(user, sidebar) {
  const language = document.documentElement.lang;
  return [
    { title: gettext("Theme") },
    ...[["system", gettext("As the system"), "screen"], ["light", gettext("Light"), "sun"], ["dark", gettext("Dark"), "moon"]].map(
      ([value, label, icon]) => ({ label, icon, checked: theme.current() === value, stay: true, run: () => setTheme(value) })),
    { title: gettext("Language") },
    { label: "简体中文", icon: "globe", checked: language === "zh-hans", run: () => setLanguage("zh-hans") },
    { label: "English", icon: "globe", checked: language === "en", run: () => setLanguage("en") },
    null,
    { label: gettext("Archived conversations"), icon: "archive", run: () => sidebar.showArchive(true) },
    { label: gettext("Keyboard shortcuts"), icon: "keyboard", keepFocus: true, run: showKeys },
    user.adminUrl ? { label: gettext("Admin"), icon: "settings", href: user.adminUrl } : undefined,
    { label: gettext("Change password"), icon: "key", href: user.passwordUrl },
    { label: gettext("Sign out"), icon: "logout", run: () => find("#logout-form").requestSubmit() },
  ].filter((item) => item !== undefined);
}

function setTheme(value) {
  theme.choose(value);
  // The account remembers it for the next device; this one has it already.
  patch("me/", { theme: value }).catch(() => {});
}

/** The server remembers it, for the person and for the browser, and comes back to this page. */
function setLanguage(value) {
  const form = find("#language-form");
  form.elements.language.value = value;
  form.elements.next.value = location.pathname + location.search;
  form.submit();
}
