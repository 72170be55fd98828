// The list of lines: a window of the conversation that moves as the reader scrolls, so that the
// page holds a few hundred lines however long the show has been running.

import { byId, counted } from "./dom.js";
import { changeRow, drawRow, lineOf, placeRow, quoteOf } from "./line.js";
import { get } from "./server.js";

const MOST_ROWS = 240;
const FETCHED = 50;
const REREAD = 200;
/** So near to an edge of the window more is fetched, in heights of the visible part. */
const EARLY = 2;
const AT_END_PX = 80;

export class Conversation {
  #rows = new Map();
  #moreBefore = false;
  #moreAfter = false;
  #loading = false;
  #newest = 0;
  #unread = 0;
  #stays = true;
  #current = null;
  #height = 0;
  #changes = 0;

  /** `people` as in line.js; `unread(count)` hears how many lines the reader has not seen. */
  constructor(people, unread) {
    this.people = people;
    this.unread = unread;
    this.scroller = byId("scroller");
    this.list = byId("lines");
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(this.scroller);
  }

  /** The number of the newest line that was heard of; from there on lines are missing. */
  get newest() {
    return this.#newest || null;
  }

  find = (id) => {
    const row = this.#rows.get(id);
    return row && lineOf(row);
  };

  /** The line that has, or last had, the focus. */
  get current() {
    return this.#current && this.find(this.#current);
  }

  lastOf(kind) {
    const rows = [...this.list.children].reverse();
    return rows.map(lineOf).find((line) => line.kind === kind && !line.unsaid);
  }

  /** Shows the end of the conversation. */
  async showEnd() {
    await this.#fetch({ limit: FETCHED }, (page) => {
      this.#replace(page);
      this.#scrollToEnd();
    });
    this.#scrolled();
  }

  /** Shows the line where it was said, wherever that is, and puts the focus on it. */
  async jump(id) {
    if (!this.#rows.has(id)) {
      await this.#fetch({ around: id, limit: FETCHED }, (page) => this.#replace(page));
    }
    const row = this.#rows.get(id);
    if (!row) throw new Error(`There is no line ${id} any more.`);
    this.#stays = false;
    row.scrollIntoView({ block: "center" });
    this.focus(id, { preventScroll: true });
    const line = row.querySelector(".line");
    line.classList.remove("found");
    void line.offsetWidth; // begins the animation anew
    line.classList.add("found");
    this.#scrolled();
  }

  async toEnd() {
    if (this.#moreAfter) await this.showEnd();
    this.#scrollToEnd();
    this.#scrolled();
  }

  /** A line was said, or is told again. Returns whether it is new. */
  add(line) {
    const isNew = line.id > this.#newest && !this.#rows.has(line.id);
    this.#newest = Math.max(this.#newest, line.id);
    if (this.#rows.has(line.id)) this.change(line);
    else if (this.#moreAfter || this.#loading) this.#moreAfter = true;
    else this.#insert(line);
    if (isNew && !this.#stays) this.#tellUnread(this.#unread + 1);
    if (this.#stays) this.#scrollToEnd();
    return isNew;
  }

  /** A line reads otherwise now. */
  change(line) {
    this.#changes += 1;
    const row = this.#rows.get(line.id);
    if (!row) return;
    changeRow(row, line, this.people, this.find);
    this.#quote(row);
    if (this.#stays) this.#scrollToEnd();
  }

  unsay(id) {
    this.#changes += 1;
    const line = this.find(id);
    if (line) this.change({ ...line, unsaid: true });
  }

  redraw() {
    for (const row of this.list.children) changeRow(row, lineOf(row), this.people, this.find);
  }

  /** After a break: what was said, changed and taken back meanwhile, without gaps or doubles. Looks
   *  at all that is on the page again; if it is not there any more, this is another conversation. */
  async catchUp() {
    const first = this.list.firstElementChild && lineOf(this.list.firstElementChild).id;
    let after = first && first - 1;
    let page;
    do {
      page = await this.#read(first ? { after, limit: REREAD } : { limit: REREAD });
      if (first && after < first && page.lines[0]?.id !== first) return this.startAgain();
      page.lines.forEach((line) => this.add(line));
      after = page.lines.at(-1)?.id;
    } while (page.more_after && this.#rows.has(after) && after < this.#newest);
    if (page.more_after && this.#stays) await this.showEnd();
  }

  /** Forgets everything: the conversation is another one, or far ahead. */
  async startAgain() {
    this.#newest = 0;
    await this.showEnd();
  }

  /** Moves the focus by so many lines; from nowhere to the last one. */
  step(by) {
    const rows = [...this.list.children];
    const at = rows.indexOf(this.#rows.get(this.#current));
    const next = at < 0 ? rows.length - 1 : Math.min(Math.max(at + by, 0), rows.length - 1);
    if (rows[next]) this.focus(lineOf(rows[next]).id);
  }

  focus(id, options = {}) {
    const row = this.#rows.get(id);
    if (!row) return;
    this.mark(id);
    row.querySelector(".line").focus(options);
  }

  /** Makes the line the one that Tab comes to. */
  mark(id) {
    const old = this.#rows.get(this.#current)?.querySelector(".line");
    if (old) old.tabIndex = -1;
    this.#current = id;
    const line = this.#rows.get(id)?.querySelector(".line");
    if (line) line.tabIndex = 0;
  }

  async #fetch(query, show) {
    this.#loading = true;
    try {
      show(await this.#read(query));
    } finally {
      this.#loading = false;
    }
  }

  /** Lines as they read now: again, if any was changed while they were on their way. */
  async #read(query) {
    let changes;
    let page;
    do {
      changes = this.#changes;
      page = await get("/api/lines", query);
    } while (changes !== this.#changes);
    return page;
  }

  #replace(page) {
    this.list.replaceChildren();
    this.#rows.clear();
    this.#moreBefore = page.more_before;
    this.#append(page);
    this.#edges();
  }

  #append(page) {
    for (const line of page.lines) this.#insert(line);
    const last = page.lines.at(-1)?.id ?? 0;
    // Lines that were said while the page was on its way are fetched with the next one.
    this.#moreAfter = page.more_after || (page.lines.length > 0 && last < this.#newest);
    if (!this.#moreAfter) this.#newest = Math.max(this.#newest, last);
  }

  /** Puts a line where its number belongs, which is nearly always at the end. */
  #insert(line) {
    let above = this.list.lastElementChild;
    while (above && lineOf(above).id > line.id) above = above.previousElementSibling;
    if (!above && this.#moreBefore && this.#rows.size > 0) return;
    this.#put(line, above ? above.nextElementSibling : this.list.firstElementChild);
    if (this.#stays && this.#rows.size > MOST_ROWS) this.#trim("first");
    this.#edges();
  }

  #put(line, below) {
    const row = drawRow(line, this.people, this.find);
    this.#rows.set(line.id, row);
    this.list.insertBefore(row, below);
    placeRow(row);
    if (row.nextElementSibling) placeRow(row.nextElementSibling);
    this.#quote(row);
  }

  /** Says what the line answers if that is too far up to be on the page. */
  async #quote(row) {
    const answers = row.querySelector(".answers:not([hidden])");
    const id = lineOf(row).reply_to;
    if (!answers || this.#rows.has(id)) return;
    const { lines } = await get("/api/lines", { around: id, limit: 1 }).catch(() => ({ lines: [] }));
    const answered = lines.find((line) => line.id === id);
    if (answered) answers.textContent = quoteOf(answered);
  }

  async #older() {
    const first = lineOf(this.list.firstElementChild);
    await this.#fetch({ before: first.id, limit: FETCHED }, (page) => {
      this.#moreBefore = page.more_before && page.lines.length > 0;
      this.#inPlace(this.list.firstElementChild, () => {
        for (const line of page.lines.reverse()) {
          if (!this.#rows.has(line.id)) this.#put(line, this.list.firstElementChild);
        }
        this.#trim("last");
        this.#edges();
      });
    });
  }

  async #newer() {
    const last = lineOf(this.list.lastElementChild);
    await this.#fetch({ after: last.id, limit: FETCHED }, (page) => {
      this.#inPlace(this.list.lastElementChild, () => {
        if (page.lines.length === 0) this.#newest = last.id;
        this.#append(page);
        this.#trim("first");
        this.#edges();
      });
    });
  }

  /** Changes the list without moving what the reader sees: the line in `row` stays where it is,
   *  though a day's heading above it may go. */
  #inPlace(row, change) {
    const anchor = row.querySelector(".line");
    const before = anchor.getBoundingClientRect().top;
    change();
    this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  #trim(end) {
    while (this.#rows.size > MOST_ROWS) {
      const row = this.list[`${end}ElementChild`];
      this.#rows.delete(lineOf(row).id);
      row.remove();
      if (end === "first") this.#moreBefore = true;
      else this.#moreAfter = true;
    }
    if (end === "first" && this.list.firstElementChild) placeRow(this.list.firstElementChild);
  }

  #edges() {
    const isEmpty = this.#rows.size === 0;
    byId("empty").hidden = !isEmpty;
    byId("top").textContent = isEmpty ? "" : this.#moreBefore ? "…" : "Here it began.";
    if (!this.#rows.has(this.#current) && !isEmpty) this.mark(lineOf(this.list.lastElementChild).id);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    this.#stays = !this.#moreAfter && below < AT_END_PX;
    if (this.#stays) this.#unread = 0;
    this.#tellUnread(this.#unread);
    if (this.#loading || this.#rows.size === 0) return;
    const near = clientHeight * EARLY;
    const fetching = scrollTop < near && this.#moreBefore ? this.#older()
      : below < near && this.#moreAfter ? this.#newer() : null;
    // Without a connection the next scroll tries again.
    fetching?.then(() => this.#scrolled(), () => {});
  }

  #scrollToEnd() {
    this.#stays = !this.#moreAfter;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** A keyboard that opens, or a panel, must not hide the end from who reads there. */
  #resized() {
    const grew = this.scroller.clientHeight - this.#height;
    this.#height = this.scroller.clientHeight;
    if (this.#stays && grew !== 0) this.#scrollToEnd();
  }

  #tellUnread(count) {
    this.#unread = count;
    const label = byId("newest");
    label.hidden = this.#stays;
    label.querySelector(".word").textContent = count ? counted(count, "new line") : "To the newest";
    this.unread(count);
  }
}
