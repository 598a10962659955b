// The chat page: one conversation in view, every open reply followed, questions sent and branches made.

import { announce } from "./announce.js";
import { all, get, patch, post } from "./api.js";
import { Composer } from "./composer.js";
import { el, find, pageData } from "./dom.js";
import { greeting } from "./greeting.js";
import { gettext } from "./i18n.js";
import { closePanel } from "./panel.js";
import { OPEN, Reply } from "./replies.js";
import { Outbox } from "./sending.js";
import { closeDrawer, showBanner, showSignedOut, sidebar, start, user } from "./shell.js";
import { ChatSocket } from "./socket.js";
import { Thread } from "./thread.js";
import { toast } from "./toast.js";
import { MessageTree } from "./tree.js";

const BANNER_DELAY_MS = 1200;
const LOCAL = "local-";

class Chat {
  conversation = null;
  bases = null;
  tree = new MessageTree();
  replies = new Map();
  resuming = new Set();

  constructor(data) {
    this.data = data;
    this.socket = new ChatSocket(data.socket);
    this.outbox = new Outbox(this.socket);
    this.thread = new Thread(find("#thread"), find("#to-bottom"), {
      choose: (id) => { this.tree.choose(id); this.draw(); },
      edit: (message, text) => this.send(text, { parent: message.parent ?? null }),
      regenerate: (reply) => this.regenerate(reply),
      redraw: () => this.draw(),
      documents: () => this.composer.picker.documents(),
      builtIn: data.model.builtIn,
      feedback: data.features.feedback,
      operator: user.operator,
      adminUrl: data.model.adminUrl,
      traces: data.traces,
    });
    this.composer = new Composer(find("#composer"), data, {
      send: (text) => this.send(text),
      stop: () => this.stop(),
      choose: (bases) => this.chooseBases(bases),
    });
  }

  begin() {
    sidebar.addEventListener("open", (event) => { event.preventDefault(); this.open(event.detail); });
    sidebar.addEventListener("deleted", (event) => event.detail === this.conversation && this.open(null));
    sidebar.addEventListener("changed", (event) => event.detail.id === this.conversation && this.setTitle(event.detail.title));
    addEventListener("popstate", () => this.open(idOf(location.pathname), { push: false }));
    find("#new-chat").addEventListener("click", (event) => { event.preventDefault(); this.open(null); });
    this.socket.addEventListener("frame", (event) => this.take(event.detail));
    this.socket.addEventListener("state", (event) => this.connection(event.detail));
    this.socket.addEventListener("doubt", () => get("me/").catch(() => {}));
    document.addEventListener("session-ended", () => this.socket.signOut());
    this.socket.connect();
    this.open(this.data.conversation, { push: false });
  }

  /** Show a conversation, or with null the greeting of a new one. */
  async open(id, { push = true } = {}) {
    if (push && location.pathname !== pathOf(id)) history.pushState(null, "", pathOf(id));
    this.conversation = id;
    this.bases = null;
    this.tree = new MessageTree();
    this.thread.clear();
    closePanel();
    closeDrawer();
    sidebar.setCurrent(id);
    this.composer.explain("");
    this.composer.turnTo(id);
    this.setTitle(id ? sidebar.get(id)?.title ?? "" : "");
    this.composer.setGenerating(false);
    this.composer.focus();
    if (id) await this.load(id);
    else this.draw();
  }

  async load(id) {
    find("#thread").replaceChildren(el("div", { class: "thread-inner skeleton", "aria-label": gettext("Loading") }, Array.from({ length: 7 }, () => el("span"))));
    try {
      const [conversation, messages] = await Promise.all([get(`conversations/${id}/`), all(`conversations/${id}/messages/`)]);
      if (this.conversation !== id) return;
      sidebar.put(conversation);
      this.setTitle(conversation.title);
      this.composer.picker.set(conversation.knowledge_bases);
      for (const message of messages) this.put(message);
      this.draw();
      this.thread.toEnd();
    } catch (error) {
      if (this.conversation === id) this.cannotLoad(id, error);
    }
  }

  cannotLoad(id, error) {
    const gone = error.status === 404;
    const text = gone ? gettext("This conversation does not exist, or it is not yours.") : error.message;
    const act = gone
      ? el("a", { class: "button", href: "/" }, gettext("New chat"))
      : el("button", { type: "button", class: "button", on: { click: () => this.load(id) } }, gettext("Try again"));
    find("#thread").replaceChildren(el("div", { class: "empty" }, el("p", {}, text), act));
  }

  /** Take a message into the tree; an open reply is followed from where its text ends. */
  put(message) {
    this.tree.put(message);
    if (message.role !== "assistant") return;
    const known = this.replies.get(message.id);
    if (known?.open || (known && known.seq > message.seq)) return;
    const reply = Reply.fromMessage(message);
    reply.conversation = this.conversation;
    this.replies.set(message.id, reply);
    if (reply.open) this.resume(reply);
  }

  draw() {
    if (!this.tree.size) find("#thread").replaceChildren(greeting({ ...this.data, user }, (text) => this.composer.ask(text)));
    else this.thread.draw(this.tree, this.replies);
    this.live();
  }

  /** Show where something is being written: Stop, and dots in the sidebar. */
  live() {
    const open = [...this.replies.values()].filter((reply) => reply.open);
    sidebar.setLive(new Set(open.map((reply) => reply.conversation)));
    this.composer.setGenerating(open.some((reply) => reply.conversation === this.conversation));
  }

  setTitle(title) {
    const shown = title || (this.conversation ? gettext("New conversation") : "");
    find("#title").textContent = shown;
    document.title = shown ? `${shown} · CLAW.AI` : "CLAW.AI";
  }

  /** Send a question; in a new chat the conversation is made first. */
  async send(text, { parent = this.tree.leaf()?.id ?? null } = {}) {
    const here = this.tree;
    const local = { id: `${LOCAL}${Math.random()}`, role: "user", content: text, parent, sending: true };
    this.tree.put(local);
    this.draw();
    this.thread.toEnd();
    try {
      const bases = this.bases === null ? {} : { knowledge_bases: this.bases };
      const conversation = this.conversation ?? (await (this.creating ??= this.create()));
      // Under a question that the server has not named yet: it then takes the newest message itself.
      const under = parent?.startsWith(LOCAL) ? {} : { parent };
      local.clientId = this.outbox.send({ conversation, content: text, ...under, ...bases });
    } catch (error) {
      this.takeBack(here, local, text, error);
    }
  }

  async create() {
    const body = this.bases?.length ? { knowledge_bases: this.bases } : {};
    const made = await post("conversations/", body).finally(() => { this.creating = null; });
    this.conversation = made.id;
    history.pushState(null, "", pathOf(made.id));
    this.composer.named(made.id);
    sidebar.put(made);
    sidebar.setCurrent(made.id);
    this.setTitle(made.title);
    return made.id;
  }

  /** A question was not taken: its text goes back into the composer. */
  takeBack(tree, local, text, error) {
    tree.drop(local.id);
    if (tree === this.tree) this.draw();
    this.composer.giveBack(text);
    this.composer.explain(error.message ?? error.detail, error.retryAfter ?? error.retry_after ?? null);
    announce(error.message ?? error.detail);
  }

  chooseBases(bases) {
    this.bases = bases;
    // None at all cannot be kept by the conversation (an empty list there means all): each question says it.
    if (this.conversation && bases?.length !== 0) patch(`conversations/${this.conversation}/`, { knowledge_bases: bases ?? [] }).catch((error) => toast(error.message));
  }

  async regenerate(reply) {
    try {
      this.put((await post(`messages/${reply.id}/regenerate/`)).reply);
      this.draw();
      this.thread.toEnd();
    } catch (error) {
      toast(error.message);
    }
  }

  stop() {
    for (const reply of this.replies.values()) {
      if (!reply.open || reply.conversation !== this.conversation) continue;
      if (!this.socket.send({ type: "reply.stop", reply: reply.id })) post(`messages/${reply.id}/stop/`).catch((error) => toast(error.message));
    }
  }

  take(frame) {
    if (frame.type === "ready") this.resumeAll();
    else if (frame.type === "message.accepted") this.accepted(frame);
    else if (frame.type === "conversation.updated") this.renamed(frame.conversation);
    else if (frame.type === "document.progress") dispatchEvent(new CustomEvent("document-progress", { detail: frame }));
    else if (frame.type === "error") this.refused(frame);
    else if (frame.reply) this.event(frame);
  }

  /** The server has named our question and its reply. */
  accepted(frame) {
    const sent = this.outbox.settle(frame.client_id);
    const conversation = frame.conversation ?? sent?.conversation;
    const reply = this.replies.get(frame.reply) ?? new Reply(frame.reply);
    reply.conversation = conversation;
    this.replies.set(reply.id, reply);
    sidebar.touch(conversation);
    if (conversation === this.conversation && sent) this.name(frame, sent);
    this.live();
  }

  name(frame, sent) {
    const local = this.tree.path().map((entry) => entry.message).find((message) => message.clientId === frame.client_id);
    const parent = local?.parent ?? sent.parent;
    const question = { id: frame.message, role: "user", content: sent.content, parent, created_at: new Date().toISOString() };
    if (local) {
      this.thread.rename(local.id, frame.message);
      this.tree.rename(local.id, question);
    } else this.tree.put(question);
    const reply = this.replies.get(frame.reply);
    this.tree.put({ id: frame.reply, role: "assistant", parent: frame.message, content: "", status: "queued", epoch: reply.epoch, seq: reply.seq });
    this.draw();
    this.thread.toEnd();
  }

  refused({ client_id: clientId, reply: replyId, error }) {
    const sent = clientId && this.outbox.settle(clientId);
    if (!sent) {
      this.resuming.delete(replyId);
      toast(error.detail);
      return;
    }
    const local = this.tree.path().map((entry) => entry.message).find((message) => message.clientId === clientId);
    this.takeBack(this.tree, local ?? { id: "" }, sent.content, error);
  }

  renamed(conversation) {
    sidebar.put(conversation);
    if (conversation.id === this.conversation) this.setTitle(conversation.title);
  }

  /** Apply a reply's event; after a gap the missing ones are asked for. */
  event(frame) {
    const reply = this.replies.get(frame.reply);
    if (!reply) return;
    const result = reply.apply(frame);
    if (result === "gap") {
      this.resume(reply);
      return;
    }
    this.resuming.delete(reply.id);
    if (result === "ignored") return;
    this.thread.refresh(reply.id);
    if (!reply.open) this.ended(reply);
    this.live();
  }

  /** A reply has ended: fetch its record where the last event did not bring it. */
  async ended(reply) {
    if (reply.message?.status !== reply.status) {
      const message = await get(`messages/${reply.id}/`).catch(() => null);
      if (message && !OPEN.has(message.status)) reply.take(message);
      this.thread.refresh(reply.id);
    }
    if (reply.conversation === this.conversation && this.tree.get(reply.id) && reply.message) this.tree.put(reply.message);
  }

  resume(reply) {
    if (this.resuming.has(reply.id)) return;
    if (this.socket.send({ type: "reply.resume", reply: reply.id, epoch: reply.epoch, after: reply.seq })) this.resuming.add(reply.id);
  }

  resumeAll() {
    this.resuming.clear();
    for (const reply of this.replies.values()) if (reply.open) this.resume(reply);
  }

  connection(state) {
    clearTimeout(this.bannerTimer);
    if (state === "open") showBanner(null);
    else if (state === "signed-out") showSignedOut();
    else if (state === "lost") this.bannerTimer = setTimeout(() => this.showLost(), BANNER_DELAY_MS);
  }

  showLost() {
    const text = gettext("Connection lost. Reconnecting… Nothing is lost: answers go on being written.");
    showBanner([el("span", { class: "dot" }), el("span", {}, text)]);
    announce(text);
  }
}

const pathOf = (id) => (id ? `/c/${id}/` : "/");
const idOf = (path) => /^\/c\/([0-9a-f-]{36})\/$/.exec(path)?.[1] ?? null;

const chat = new Chat(pageData("chat-data"));
start({ newChat: () => chat.open(null) });
chat.begin();
