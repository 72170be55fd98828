// The panel beside the conversation: one thing at a time, with a title. Where there is no room
// beside, it covers the page and holds the focus.

import { byId, h } from "./dom.js";

const WIDE = matchMedia("(min-width: 68rem)");

export class Panel {
  #before = null;
  #shown = "";
  #onClose = null;

  constructor() {
    this.dialog = byId("panel");
    this.title = byId("panel-title");
    this.body = byId("panel-body");
    this.dialog.querySelector(".titlebar button").onclick = () => this.close();
    this.dialog.addEventListener("close", () => this.#closed());
    this.dialog.addEventListener("cancel", () => this.close());
    // One that is beside must become one that covers, and the other way round.
    WIDE.addEventListener("change", () => this.isOpen && this.#reopen());
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** What is shown, as a word: "why 12", "search". */
  get shown() {
    return this.isOpen ? this.#shown : "";
  }

  get isBeside() {
    return WIDE.matches;
  }

  /** Shows the elements under the title. `onClose` is called when they are no longer shown. */
  show(what, title, children, onClose = null) {
    this.#onClose?.();
    this.#onClose = onClose;
    this.#shown = what;
    this.title.textContent = title;
    this.body.replaceChildren(...children);
    this.body.scrollTop = 0;
    if (!this.isOpen) {
      this.#before = document.activeElement;
      this.#open();
    }
    this.title.focus({ preventScroll: true });
  }

  /** Shows what `fetching` gives, which are elements; until then that it is under way. What comes
   *  after something else was asked for is not shown. */
  async load(what, title, fetching, onClose = null) {
    this.show(what, title, [h("p", { class: "small", text: "One moment…" })], onClose);
    let children;
    try {
      children = await fetching;
    } catch (error) {
      children = [h("p", { text: error.message })];
    }
    if (this.shown === what) this.body.replaceChildren(...children);
  }

  close() {
    if (this.isOpen) this.dialog.close();
  }

  #open() {
    document.body.classList.add("panel-open");
    if (WIDE.matches) this.dialog.show();
    else this.dialog.showModal();
  }

  #reopen() {
    this.#moving = true;
    this.dialog.close();
    this.#open();
  }

  #moving = false;

  #closed() {
    if (this.#moving) {
      this.#moving = false;
      return;
    }
    document.body.classList.remove("panel-open");
    this.#onClose?.();
    this.#onClose = null;
    this.#before?.focus({ preventScroll: true });
  }
}
