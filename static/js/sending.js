// Questions on their way: each is sent again after a lost connection until the server has named it.

import { newId } from "./api.js";

/** Keeps what was sent and not yet accepted; `socket` is the page's one socket. */
export class Outbox {
  #waiting = new Map();

  constructor(socket) {
    this.socket = socket;
    socket.addEventListener("state", (event) => event.detail === "open" && this.#again());
  }

  /** Send a question; answers its client id. A repeat with the same id is harmless. */
  send(question) {
    const frame = { type: "message.send", client_id: newId(), ...question };
    this.#waiting.set(frame.client_id, frame);
    this.socket.send(frame);
    return frame.client_id;
  }

  /** The server has taken it, or refused it: answers what was sent. */
  settle(clientId) {
    const frame = this.#waiting.get(clientId);
    this.#waiting.delete(clientId);
    return frame;
  }

  get size() {
    return this.#waiting.size;
  }

  #again() {
    for (const frame of this.#waiting.values()) this.socket.send(frame);
  }
}
