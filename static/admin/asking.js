/* Asks before the forms of a page that are marked for it are sent. */

import { askBefore } from "./confirming.js";

const dialog = document.querySelector(".db-dialog");
for (const form of document.querySelectorAll("form[data-ask]")) askBefore(form, dialog);
