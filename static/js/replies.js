// The state of a reply while its events come in; pure, so that it can be tested without a browser.

export const OPEN = new Set(["queued", "retrieving", "generating"]);

/** One reply. `apply` takes each event exactly once and in order. */
export class Reply {
  constructor(id) {
    Object.assign(this, { id, epoch: 0, seq: 0, text: "", status: "queued", citations: [], error: null, message: null });
  }

  /** Begin from a message as the API gives it: its text is that of the events 1..seq. */
  static fromMessage(message) {
    return new Reply(message.id).take(message);
  }

  get open() {
    return OPEN.has(this.status);
  }

  /** Apply an event; answers "applied", "ignored" (already had, or too old) or "gap" (resume first). */
  apply(frame) {
    if (frame.type === "reply.resync") return this.#resync(frame);
    if (frame.epoch < this.epoch || (frame.epoch === this.epoch && frame.seq <= this.seq)) return "ignored";
    const fresh = this.epoch === 0 && this.seq === 0 && frame.seq === 1;
    if (frame.epoch !== this.epoch && !fresh) return "gap";
    if (frame.seq !== this.seq + 1) return "gap";
    this.epoch = frame.epoch;
    this.seq = frame.seq;
    this.#event(frame);
    return "applied";
  }

  /** Take the whole message as the truth. */
  take(message) {
    this.message = message;
    this.text = message.content;
    this.status = message.status;
    this.citations = message.citations ?? [];
    this.error = message.error ?? null;
    this.epoch = message.epoch ?? this.epoch;
    this.seq = message.seq ?? this.seq;
    return this;
  }

  #event(frame) {
    if (frame.type === "reply.status") this.status = frame.stage;
    else if (frame.type === "reply.citations") this.citations = frame.citations;
    else if (frame.type === "reply.delta") this.#delta(frame.text);
    else if (frame.type === "reply.done") this.#done(frame);
    else if (frame.type === "reply.failed") this.#failed(frame.error);
  }

  #delta(text) {
    this.status = "generating";
    this.text += text;
  }

  #done({ message, epoch, seq }) {
    if (message) this.take({ ...message, epoch, seq });
    else this.status = "complete";
  }

  #failed(error) {
    this.error = error;
    this.status = error.code.endsWith("interrupted") && this.text ? "interrupted" : "failed";
  }

  #resync(frame) {
    // A lower number in the same epoch is taken too: the server's answer to "too high" is the truth.
    if (frame.epoch < this.epoch) return "ignored";
    Object.assign(this, { epoch: frame.epoch, seq: frame.seq, text: frame.text, status: frame.status });
    if (frame.citations) this.citations = frame.citations;
    if (frame.error) this.error = frame.error;
    return "applied";
  }
}
