// The tree of a conversation's messages, and which branch is shown; pure.

/** Messages by parent; one child of each parent is shown, the newest unless the reader chose another. */
export class MessageTree {
  #messages = new Map();
  #children = new Map();
  #chosen = new Map();

  get size() {
    return this.#messages.size;
  }

  get(id) {
    return this.#messages.get(id);
  }

  /** Add a message or replace what is known of it; a new one becomes the branch that is shown. */
  put(message) {
    const parent = message.parent ?? null;
    if (!this.#messages.has(message.id)) {
      if (!this.#children.has(parent)) this.#children.set(parent, []);
      this.#children.get(parent).push(message.id);
      this.#chosen.set(parent, message.id);
    }
    this.#messages.set(message.id, message);
  }

  /** Give a message another id: the server has named what was sent. */
  rename(oldId, message) {
    const parent = this.get(oldId)?.parent ?? null;
    const siblings = this.#children.get(parent) ?? [];
    const place = siblings.indexOf(oldId);
    if (place < 0 || this.#messages.has(message.id)) {
      this.drop(oldId);
      this.put(message);
      return;
    }
    siblings[place] = message.id;
    if (this.#chosen.get(parent) === oldId) this.#chosen.set(parent, message.id);
    this.#messages.delete(oldId);
    this.#messages.set(message.id, message);
  }

  /** Take out a message that was never sent. */
  drop(id) {
    const parent = this.get(id)?.parent ?? null;
    const siblings = (this.#children.get(parent) ?? []).filter((other) => other !== id);
    this.#children.set(parent, siblings);
    if (this.#chosen.get(parent) === id) this.#chosen.set(parent, siblings.at(-1));
    this.#messages.delete(id);
  }

  /** Show the branch in which `id` stands. */
  choose(id) {
    const message = this.get(id);
    if (!message) return;
    this.#chosen.set(message.parent ?? null, id);
    if (message.parent) this.choose(message.parent);
  }

  /** Return the shown messages from the first on, each with its siblings and its place among them. */
  path() {
    const shown = [];
    let id = this.#chosen.get(null);
    while (id && this.#messages.has(id)) {
      const message = this.#messages.get(id);
      const siblings = this.#children.get(message.parent ?? null);
      shown.push({ message, siblings, index: siblings.indexOf(id) });
      id = this.#chosen.get(id);
    }
    return shown;
  }

  /** Return the shown message that the next question stands under. */
  leaf() {
    return this.path().at(-1)?.message ?? null;
  }
}
