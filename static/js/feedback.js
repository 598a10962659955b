// Thumbs up or down, with a word of why.

import { put } from "./api.js";
import { errorLine, field, showDialog } from "./dialog.js";
import { button, el } from "./dom.js";
import { gettext } from "./i18n.js";
import { toast } from "./toast.js";

/** Ask for a comment and keep the rating; resolves with the feedback, or null when it was called off. */
export async function askFeedback(reply, rating) {
  const before = reply.message?.feedback;
  const comment = el("textarea", { rows: 4, maxlength: 2000 });
  comment.value = before?.rating === rating ? before.comment : "";
  const error = errorLine();
  let kept = null;
  const onSubmit = async (dialog) => {
    try {
      await put(`messages/${reply.id}/feedback/`, { rating, comment: comment.value.trim() });
      kept = { rating, comment: comment.value.trim() };
      dialog.close();
      toast(gettext("Thank you. Your feedback is kept."));
    } catch (problem) {
      error.show(problem.message);
    }
  };
  await showDialog({
    title: rating > 0 ? gettext("What was good?") : gettext("What was wrong?"),
    body: [field(gettext("Comment (optional)"), comment), error.line],
    foot: [
      button(gettext("Cancel"), (event) => event.target.closest("dialog").close()),
      button(gettext("Send"), null, { type: "submit", class: "button-primary" }),
    ],
    onSubmit,
  });
  return kept;
}
