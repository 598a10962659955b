// The record of a reply: what made it, from what, at what cost.

import { el } from "./dom.js";
import { showDialog } from "./dialog.js";
import { fill, fullMoment, gettext, number, seconds } from "./i18n.js";

/** Show where a reply comes from; `traces` is where the admin keeps the whole story, for those who may see it. */
export function showDetails({ message, citations }, traces) {
  const rows = facts(message ?? {}, citations).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const list = el("dl", { class: "facts" }, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  const story = traces && message?.id
    ? [el("p", {}, el("a", { href: `${traces}${message.id}/trace/` }, gettext("How this answer was made")))]
    : [];
  return showDialog({ title: gettext("Details of this reply"), body: [list, ...story] });
}

function facts(message, citations) {
  const { usage, timing } = message;
  return [
    [gettext("Model"), message.model],
    [gettext("Endpoint"), message.endpoint],
    [gettext("Tokens in"), usage && tokens(usage.prompt_tokens, usage.exact)],
    [gettext("Tokens out"), usage && tokens(usage.completion_tokens, usage.exact)],
    [gettext("First words after"), timing?.first_token_ms != null ? seconds(timing.first_token_ms) : null],
    [gettext("Total time"), timing?.total_ms != null ? seconds(timing.total_ms) : null],
    [gettext("Passages"), number(citations.length)],
    [gettext("Config version"), message.config_version != null ? String(message.config_version) : null],
    [gettext("Prompt version"), message.prompt_version != null ? String(message.prompt_version) : null],
    [gettext("Asked"), message.created_at ? fullMoment(message.created_at) : null],
  ];
}

function tokens(count, exact) {
  if (count == null) return null;
  return exact ? number(count) : fill(gettext("about %(count)s (estimated)"), { count: number(count) });
}
