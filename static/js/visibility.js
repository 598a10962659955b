// Who may read a knowledge base, in words and with an icon.

import { el, icon } from "./dom.js";
import { gettext } from "./i18n.js";

/** The three visibilities with icon, name and meaning. */
export const VISIBILITIES = [
  ["private", "lock", gettext("Private"), gettext("Only you may read and ask it.")],
  ["shared", "users", gettext("Shared"), gettext("You and the people and groups that you choose.")],
  ["everyone", "globe", gettext("Everyone"), gettext("Everyone who can sign in.")],
];

/** A badge that says who may read a base. */
export function visibilityBadge(visibility) {
  const [, name, label] = VISIBILITIES.find(([value]) => value === visibility) ?? ["", "lock", visibility];
  return el("span", { class: "badge" }, icon(name), label);
}
