import assert from "node:assert/strict";
import { test } from "node:test";

import { delay } from "../../static/js/backoff.js";
import { grouped } from "../../static/js/grouping.js";
import { cut, ranges } from "../../static/js/passages.js";
import { SentenceReader } from "../../static/js/sentences.js";
import { MessageTree } from "../../static/js/tree.js";

const ids = (tree) => tree.path().map((entry) => entry.message.id);
const message = (id, parent, role = "user") => ({ id, parent, role });

test("tree: the newest branch is shown, and the chosen one instead", () => {
  const tree = new MessageTree();
  for (const each of [message("q", null), message("a1", "q"), message("a2", "q"), message("q2", "a1")]) tree.put(each);
  assert.deepEqual(ids(tree), ["q", "a2"]);
  tree.choose("a1");
  assert.deepEqual(ids(tree), ["q", "a1", "q2"]);
  assert.equal(tree.path()[1].index, 0);
});

test("tree: an update of a known message leaves the choice alone", () => {
  const tree = new MessageTree();
  for (const each of [message("q", null), message("a1", "q"), message("a2", "q")]) tree.put(each);
  tree.choose("a1");
  tree.put(message("a2", "q"));
  assert.deepEqual(ids(tree), ["q", "a1"]);
});

test("tree: a sent question takes the server's id in its place", () => {
  const tree = new MessageTree();
  tree.put(message("local-1", null));
  tree.rename("local-1", message("q", null));
  assert.deepEqual(ids(tree), ["q"]);
  tree.drop("q");
  assert.deepEqual(ids(tree), []);
});

test("sentences: each comes once, when it is whole", () => {
  const reader = new SentenceReader();
  assert.equal(reader.next("你好。今天"), "你好。");
  assert.equal(reader.next("你好。今天天气好！明"), "今天天气好！");
  assert.equal(reader.next("你好。今天天气好！明天见[1]", { final: true }), "明天见");
  assert.equal(reader.next("你好。今天天气好！明天见[1]", { final: true }), "");
});

test("sentences: a number's point ends nothing", () => {
  const reader = new SentenceReader();
  assert.equal(reader.next("It costs 3.50 euros. Next"), "It costs 3.50 euros.");
});

test("back-off: grows, has a ceiling, and jitters", () => {
  assert.ok(delay(0, () => 1) <= 400);
  assert.ok(delay(30, () => 1) <= 20_000);
  assert.notEqual(delay(5, () => 0), delay(5, () => 1));
});

test("groups: pinned, today, week, months in this order", () => {
  const now = new Date(2026, 5, 20, 12);
  const row = (id, day, month = 5, pinned = false) => ({ id, pinned, updated_at: new Date(2026, month, day, 9).toISOString() });
  const groups = grouped([row("old", 3, 2), row("today", 20), row("pin", 1, 1, true), row("week", 15), row("older", 9, 0)], now);
  assert.deepEqual(groups.map(({ key }) => key), ["pinned", "today", "week", "2026-03", "2026-01"]);
});

test("passages: characters beyond the basic plane count as one", () => {
  assert.deepEqual(cut({ text: "😀甲乙丙", offset: 10 }, { start: 11, end: 13 }), ["😀", "甲乙", "丙"]);
});

test("passages: overlapping words are marked as one", () => {
  assert.deepEqual(ranges("怎样共享知识库", ["共享", "享知", "知识", "识库"]), [[2, 7]]);
  assert.deepEqual(ranges("a b a", ["A"]), [[0, 1], [4, 5]]);
});
