// Sorts conversations into the groups of the sidebar; pure.

import { daysAgo } from "./i18n.js";

/** Group conversations (newest first): pinned, today, 7 days, then months. Returns [{key, date, rows}]. */
export function grouped(conversations, now = new Date()) {
  const groups = new Map();
  for (const row of [...conversations].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1))) {
    const date = new Date(row.updated_at);
    const key = keyOf(row, date, now);
    if (!groups.has(key)) groups.set(key, { key, date, rows: [] });
    groups.get(key).rows.push(row);
  }
  const order = [...groups.values()];
  return order.sort((a, b) => rank(a) - rank(b));
}

function keyOf(row, date, now) {
  if (row.pinned) return "pinned";
  const days = daysAgo(date, now);
  if (days <= 0) return "today";
  if (days <= 7) return "week";
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}

const FIRST = { pinned: -3, today: -2, week: -1 };
const rank = ({ key, date }) => (FIRST[key] ? FIRST[key] - 1e15 : -date.getTime() / 1e3);
