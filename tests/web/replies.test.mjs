import assert from "node:assert/strict";
import { test } from "node:test";

import { Reply } from "../../static/js/replies.js";

const frames = [
  { type: "reply.status", epoch: 1, seq: 1, stage: "queued" },
  { type: "reply.status", epoch: 1, seq: 2, stage: "generating" },
  { type: "reply.delta", epoch: 1, seq: 3, text: "你" },
  { type: "reply.delta", epoch: 1, seq: 4, text: "好" },
  { type: "reply.done", epoch: 1, seq: 5, message: { id: "r", content: "你好", status: "complete", citations: [] } },
];

test("events in order: applied once each", () => {
  const reply = new Reply("r");
  for (const frame of frames) assert.equal(reply.apply(frame), "applied");
  assert.deepEqual([reply.text, reply.status, reply.seq, reply.open], ["你好", "complete", 5, false]);
});

test("every event twice: the text is the same", () => {
  const reply = new Reply("r");
  for (const frame of frames.slice(0, 4)) for (const again of [frame, frame]) reply.apply(again);
  assert.equal(reply.text, "你好");
});

test("a missing event: nothing is applied until it comes", () => {
  const reply = new Reply("r");
  reply.apply(frames[0]);
  assert.equal(reply.apply(frames[3]), "gap");
  assert.deepEqual([reply.text, reply.seq], ["", 1]);
});

test("resync: replaces the text, and older events are dropped", () => {
  const reply = new Reply("r");
  for (const frame of frames.slice(0, 4)) reply.apply(frame);
  assert.equal(reply.apply({ type: "reply.resync", epoch: 2, seq: 3, text: "您", status: "generating" }), "applied");
  assert.equal(reply.apply({ type: "reply.delta", epoch: 1, seq: 5, text: "!" }), "ignored");
  assert.equal(reply.apply({ type: "reply.delta", epoch: 2, seq: 4, text: "好" }), "applied");
  assert.equal(reply.text, "您好");
});

test("resync with a lower number: the server's answer to a number too high is taken", () => {
  const reply = new Reply("r");
  for (const frame of frames.slice(0, 4)) reply.apply(frame);
  reply.apply({ type: "reply.resync", epoch: 1, seq: 3, text: "你", status: "generating" });
  assert.equal(reply.apply(frames[3]), "applied");
  assert.equal(reply.text, "你好");
});

test("a new epoch without resync: a gap", () => {
  const reply = new Reply("r");
  reply.apply(frames[0]);
  assert.equal(reply.apply({ type: "reply.delta", epoch: 2, seq: 2, text: "x" }), "gap");
});

test("from a stored message: goes on behind its text", () => {
  const reply = Reply.fromMessage({ id: "r", content: "你", status: "generating", epoch: 1, seq: 3, citations: [] });
  assert.equal(reply.apply(frames[2]), "ignored");
  assert.equal(reply.apply(frames[3]), "applied");
  assert.equal(reply.text, "你好");
});

test("failure: the text stays", () => {
  const reply = new Reply("r");
  for (const frame of frames.slice(0, 3)) reply.apply(frame);
  reply.apply({ type: "reply.failed", epoch: 1, seq: 4, error: { code: "interrupted", detail: "…", retryable: true } });
  assert.deepEqual([reply.text, reply.status], ["你", "interrupted"]);
});
