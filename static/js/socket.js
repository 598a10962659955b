// The one WebSocket of the page: connects, reconnects, pings, and says what state it is in.

import { delay } from "./backoff.js";

const PING_MS = 20_000;
const SILENCE_MS = 45_000;
const SIGNED_OUT = 4401;
const TOO_MANY = 4429;

/** Events: `state` (detail "connecting" | "open" | "lost" | "signed-out") and `frame` (detail: the frame). */
export class ChatSocket extends EventTarget {
  #socket = null;
  #attempt = 0;
  #timer = null;
  #heard = 0;
  #pinger = null;
  state = "connecting";

  constructor(path) {
    super();
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    addEventListener("online", () => this.#hurry());
    addEventListener("pageshow", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /** Open the socket, and again whenever it is lost. */
  connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#heard = Date.now();
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
    clearInterval(this.#pinger);
    this.#pinger = setInterval(() => this.#beat(), PING_MS);
  }

  /** Send a frame; answers whether the socket was open. */
  send(frame) {
    if (this.state !== "open" || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Give up: the session has ended. */
  signOut() {
    clearTimeout(this.#timer);
    clearInterval(this.#pinger);
    this.#set("signed-out");
    this.#socket?.close();
  }

  #receive(socket, data) {
    if (socket !== this.#socket) return;
    this.#heard = Date.now();
    const frame = JSON.parse(data);
    if (frame.type === "pong") return;
    if (frame.type === "ready") {
      this.#attempt = 0;
      this.#set("open");
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #closed(code) {
    clearInterval(this.#pinger);
    if (this.state === "signed-out") return;
    if (code === SIGNED_OUT) {
      this.signOut();
      return;
    }
    this.#set("lost");
    this.#attempt += 1;
    const wait = code === TOO_MANY ? 15_000 : delay(this.#attempt - 1);
    this.#timer = setTimeout(() => this.connect(), wait);
    if (this.#attempt % 3 === 2) this.dispatchEvent(new CustomEvent("doubt"));
  }

  #beat() {
    if (Date.now() - this.#heard > SILENCE_MS) this.#drop();
    else this.send({ type: "ping" });
  }

  /** A dead connection may never report its end: forget it and begin anew. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket.close();
    this.#closed(1006);
  }

  #hurry() {
    if (this.state !== "lost") return;
    this.#attempt = Math.min(this.#attempt, 1);
    this.connect();
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
