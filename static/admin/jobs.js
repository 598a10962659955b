/* Moves the bars of the jobs that are still open, and asks before one is stopped. */

import { askBefore } from "./confirming.js";

const EVERY_MS = 2000;
const list = document.querySelector("[data-jobs]");

function draw(row, job) {
  const badge = row.querySelector("[data-state]");
  badge.textContent = job.label;
  badge.className = `st-badge ${job.tone}`;
  const bar = row.querySelector("[data-bar]");
  bar.classList.toggle("is-unknown", job.percent === null && job.open);
  bar.classList.toggle("is-bad", job.state === "failed");
  bar.classList.toggle("is-good", job.state === "done");
  if (job.percent !== null) {
    bar.setAttribute("aria-valuenow", job.percent);
    bar.firstElementChild.style.width = `${job.percent}%`;
  }
  row.querySelector("[data-count]").textContent = job.total ? `${job.done} / ${job.total}` : "";
  row.querySelector("[data-message]").textContent = job.message;
  row.toggleAttribute("data-open", job.open);
  if (!job.cancellable) row.querySelector("[data-cancel]")?.remove();
}

async function look() {
  const rows = [...list.querySelectorAll("[data-job][data-open]")];
  if (document.hidden || !rows.length) return;
  const query = new URLSearchParams(rows.map((row) => ["id", row.dataset.job]));
  try {
    const answer = await fetch(`${list.dataset.jobs}?${query}`, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const { jobs } = await answer.json();
    for (const job of jobs) draw(document.getElementById(`job-${job.id}`), job);
  } catch {
    // The next look tells.
  }
}

if (list) setInterval(look, EVERY_MS);
const dialog = document.querySelector(".db-dialog");
for (const form of document.querySelectorAll("form[data-cancel]")) askBefore(form, dialog);
