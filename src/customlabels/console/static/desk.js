// The desk: one image after the other; labels of the whole image by number keys, boxes by pointer and keys.
import { made, send } from "./console.js";
import { picture } from "./model.js";

const STEP = 1.25, LEAST = 2;  // zoom; pixels that a box needs
const corners = (box) => [[0, 0], [1, 0], [0, 1], [1, 1]].map(([x, y]) => [x, y, box[1] + x * box[3], box[2] + y * box[4]]);
const round = (number) => Math.round(number * 100) / 100;

customElements.define("label-desk", class extends HTMLElement {
  connectedCallback() {
    this.entries = JSON.parse(this.dataset.entries);
    this.labels = JSON.parse(this.dataset.labels);
    this.current = this.labels[0] ?? "";
    this.mode = this.querySelector("[name=boxes]");
    this.mode.checked = "boxes" in this.dataset;
    this.mode.onchange = () => this.show();
    this.saving = Promise.resolve();
    this.svg = made("svg", { class: "sheet", tabindex: 0, role: "group", "aria-label": "Image" });
    this.querySelector(".stage").append(this.svg);
    for (const [name, act] of Object.entries({ pointerdown: "press", pointermove: "drag", pointerup: "release" })) {
      this.svg.addEventListener(name, (event) => this[act](event));
    }
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, this.point(event));
    }, { passive: false });
    this.addEventListener("click", (event) => {
      const name = event.target.closest("[data-do]")?.dataset.do;
      if (name) this[name]();
    });
    this.querySelector(".new").onsubmit = (event) => {
      event.preventDefault();
      const field = event.target.elements.label, label = field.value.trim();
      if (label && !this.labels.includes(label)) this.labels.push(label);
      field.value = "";
      if (label) this.give(label);
    };
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("keyup", (event) => {
      if (event.key === "h") this.svg.classList.remove("bare");
      if (event.key === " ") this.space = false;
    });
    addEventListener("beforeunload", (event) => { if (this.changed) { this.save(); event.preventDefault(); } });
    this.go(Math.min(Number(new URLSearchParams(location.search).get("at") ?? 0), this.entries.length - 1));
  }

  // ---- which image

  async go(at) {
    if (this.now) {
      this.save();
      sessionStorage.setItem("last-boxes", JSON.stringify(this.now.boxes));
    }
    if (at < 0) return;
    if (at >= this.entries.length) {
      await this.saving;
      this.say(this.dataset.following ? "" : "That was the last one.");
      if (this.dataset.following) location.search = `?${this.dataset.following}`;
      return;
    }
    this.at = at;
    const entry = this.entries[at];
    this.now = { labels: [...entry.labels], boxes: entry.boxes.map((box) => [...box]) };
    Object.assign(this, { past: [], future: [], chosen: -1, suggested: [], changed: false, size: entry.size ?? [640, 480] });
    const address = new URL(location.href);
    address.searchParams.set("at", at);
    history.replaceState(null, "", address);
    this.say(entry.errors.join(" "));
    this.href = picture(entry.ref);
    this.whole();
    const image = new Image();
    image.onload = () => {
      if (this.at !== at) return;
      this.size = entry.size ?? [image.naturalWidth, image.naturalHeight];
      this.whole();
    };
    image.src = this.href;
  }

  on() { this.go(this.at + 1); }
  back() { this.go(this.at - 1); }

  save() {
    if (!this.changed) return;
    const entry = this.entries[this.at], { labels, boxes } = this.now;
    Object.assign(entry, { labels: [...labels], boxes: boxes.map((box) => [...box]), size: boxes.length ? this.size : entry.size, errors: [] });
    this.changed = false;
    const body = JSON.stringify({ ref: entry.ref, labels, boxes, size: this.size });
    this.say("saving…");
    this.saving = this.saving.then(() => send(this.getAttribute("src"), body, "application/json"))
      .then(() => this.say("saved"), (error) => this.say(`not saved: ${error.message}`));
  }

  say(text) { this.querySelector(".said").textContent = text; }

  // ---- changes

  change(apply) {
    const before = JSON.stringify(this.now);
    apply(this.now);
    if (JSON.stringify(this.now) !== before) {
      this.past.push(before);
      this.future = [];
      this.changed = true;
    }
    this.show();
  }

  swap(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify(this.now));
    this.now = JSON.parse(from.pop());
    this.changed = true;
    this.chosen = -1;
    this.show();
  }

  undo() { this.swap(this.past, this.future); }
  redo() { this.swap(this.future, this.past); }

  give(label) {
    this.current = label;
    if (!this.mode.checked) {
      this.change(({ labels }) => (labels.includes(label) ? labels.splice(labels.indexOf(label), 1) : labels.push(label)));
    } else if (this.chosen >= 0) this.change(({ boxes }) => (boxes[this.chosen][0] = label));
    else this.show();
  }

  copy() {
    const boxes = JSON.parse(sessionStorage.getItem("last-boxes") ?? "[]");
    this.change((now) => now.boxes.push(...boxes.map((box) => this.fit(box))));
  }

  remove() {
    const at = this.chosen;
    this.chosen = -1;
    if (at >= 0) this.change(({ boxes }) => boxes.splice(at, 1));
  }

  /** A box inside its image. */
  fit([label, left, top, width, height]) {
    const [w, h] = this.size;
    width = Math.min(Math.max(width, LEAST), w);
    height = Math.min(Math.max(height, LEAST), h);
    return [label, round(Math.min(Math.max(left, 0), w - width)), round(Math.min(Math.max(top, 0), h - height)), round(width), round(height)];
  }

  // ---- suggestions

  async suggest() {
    this.say("asking…");
    const at = this.at, ref = this.entries[at].ref, model = this.querySelector("[name=model]")?.value;
    if (!model) return;
    try {
      const found = await (await send("/suggest", JSON.stringify({ ref, model }), "application/json")).json();
      if (this.at !== at) return;
      const [w, h] = this.size;
      this.suggested = found.map(({ Name, Confidence, Geometry }) => {
        const box = Geometry?.BoundingBox;
        return { label: Name, confidence: Confidence, box: box && this.fit([Name, box.Left * w, box.Top * h, box.Width * w, box.Height * h]) };
      });
      this.say(`${found.length} suggested`);
      this.show();
    } catch (error) {
      this.say(error.message);
    }
  }

  accept(only) {
    const taken = only ? [only] : this.suggested;
    this.suggested = this.suggested.filter((each) => !taken.includes(each));
    for (const { label } of taken) if (!this.labels.includes(label)) this.labels.push(label);
    this.change((now) => {
      for (const { label, box } of taken) box ? now.boxes.push(box) : now.labels.includes(label) || now.labels.push(label);
    });
  }

  refuse(only) {
    this.suggested = only ? this.suggested.filter((each) => each !== only) : [];
    this.show();
  }

  // ---- keys and pointer

  key(event) {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (typing || event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      const act = { z: "undo", y: "redo" }[event.key.toLowerCase()];
      if (act) { event.preventDefault(); this[event.shiftKey ? "redo" : act](); }
      return;
    }
    if (event.key === "h") return this.svg.classList.add("bare");
    if (event.key === " " && event.target === this.svg) { this.space = true; return event.preventDefault(); }
    const label = this.labels[Number(event.key) - 1];
    if (label) return this.give(label);
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow && this.chosen >= 0) {
      event.preventDefault();
      const [x, y] = arrow, at = event.shiftKey ? 3 : 1;
      return this.change(({ boxes }) => {
        const box = [...boxes[this.chosen]];
        box[at] += x;
        box[at + 1] += y;
        boxes[this.chosen] = this.fit(box);
      });
    }
    if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
    const act = { ArrowLeft: "back", ArrowRight: "on", Enter: "on", Delete: "remove", Backspace: "remove", Escape: "letGo",
      c: "copy", s: "suggest", a: "accept", r: "refuse", "+": "larger", "=": "larger", "-": "smaller", 0: "whole" }[event.key];
    if (act) { event.preventDefault(); this[act](); }
  }

  letGo() { this.chosen = -1; this.show(); }

  point(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [x, y];
  }

  press(event) {
    const target = event.target, from = this.point(event);
    this.svg.setPointerCapture(event.pointerId);
    this.svg.focus();
    if (target.dataset.suggested) return this[event.shiftKey ? "refuse" : "accept"](this.suggested[target.dataset.suggested]);
    if (this.space || event.button === 1) this.hold = { kind: "pan", from };
    else if (!this.mode.checked) return;
    else if (target.dataset.corner) {
      const [, left, top, width, height] = this.now.boxes[this.chosen], [x, y] = target.dataset.corner.split(",").map(Number);
      this.hold = { kind: "draw", from: [left + (1 - x) * width, top + (1 - y) * height], at: this.chosen };
    } else if (target.dataset.box) {
      this.chosen = Number(target.dataset.box);
      this.hold = { kind: "move", from, box: [...this.now.boxes[this.chosen]], at: this.chosen };
      this.show();
    } else this.hold = { kind: "draw", from };
  }

  drag(event) {
    if (!this.hold) return;
    const [x, y] = this.point(event), { kind, from } = this.hold;
    if (kind === "pan") {
      this.view[0] -= x - from[0];
      this.view[1] -= y - from[1];
      return this.show();
    }
    const within = [Math.min(Math.max(x, 0), this.size[0]), Math.min(Math.max(y, 0), this.size[1])];
    const [left, top] = [Math.min(from[0], within[0]), Math.min(from[1], within[1])];
    this.hold.to = kind === "move"
      ? this.fit([this.hold.box[0], this.hold.box[1] + x - from[0], this.hold.box[2] + y - from[1], this.hold.box[3], this.hold.box[4]])
      : ["", left, top, Math.abs(within[0] - from[0]), Math.abs(within[1] - from[1])];
    this.show();
  }

  release() {
    const { kind, to, at } = this.hold ?? {};
    this.hold = null;
    if (kind === "draw" && at === undefined && (!to || Math.min(to[3], to[4]) < LEAST)) return this.letGo();
    if (!to) return;
    if (!this.current) return this.say("Add a label first.");
    this.change(({ boxes }) => {
      if (at === undefined) this.chosen = boxes.push(this.fit([this.current, ...to.slice(1)])) - 1;
      else boxes[at] = this.fit([boxes[at][0], ...to.slice(1)]);
    });
  }

  zoom(by, [x, y] = [this.view[0] + this.view[2] / 2, this.view[1] + this.view[3] / 2]) {
    const [left, top, width, height] = this.view;
    const scale = Math.min(Math.max(by, width / this.size[0] / 1.0001), width / 8);
    this.view = [x - (x - left) / scale, y - (y - top) / scale, width / scale, height / scale];
    this.show();
  }

  larger() { this.zoom(STEP); }
  smaller() { this.zoom(1 / STEP); }
  whole() { this.view = [0, 0, ...this.size]; this.show(); }

  // ---- what is seen

  show() {
    const [w, h] = this.size, unit = this.view[2] / 100, { boxes, labels } = this.now;
    this.svg.setAttribute("viewBox", this.view.join(" "));
    const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
    for (const [name, value] of Object.entries({ href: this.href, width: w, height: h, preserveAspectRatio: "none" })) image.setAttribute(name, value);
    const old = this.svg.querySelector("image");
    const parts = [old?.getAttribute("href") === this.href ? (old.setAttribute("width", w), old.setAttribute("height", h), old) : image];
    const draw = ([label, x, y, width, height], attributes, words = label) => {
      parts.push(made("rect", { x, y, width, height, ...attributes }));
      parts.push(made("text", { x: x + unit / 2, y: Math.max(y - unit, 3 * unit), "font-size": 2.6 * unit }, words));
    };
    boxes.forEach((box, at) => {
      const moved = this.hold?.at === at && this.hold.to ? [box[0], ...this.hold.to.slice(1)] : box;
      draw(moved, { class: at === this.chosen ? "truth chosen" : "truth", "data-box": at });
      if (at === this.chosen) {
        for (const [x, y, left, top] of corners(moved)) {
          parts.push(made("rect", { class: "corner", "data-corner": `${x},${y}`, x: left - unit, y: top - unit, width: 2 * unit, height: 2 * unit }));
        }
      }
    });
    if (this.hold?.kind === "draw" && this.hold.at === undefined && this.hold.to) draw(this.hold.to, { class: "truth" }, this.current);
    this.suggested.forEach(({ label, confidence, box }, at) => {
      if (box) draw(box, { class: "suggested", "data-suggested": at }, `${label} ${confidence.toFixed(0)} %`);
    });
    this.svg.replaceChildren(...parts);
    const counts = (label) => (this.mode.checked ? boxes.filter((box) => box[0] === label).length : labels.includes(label) ? 1 : 0);
    this.querySelector(".labels").replaceChildren(...this.labels.map((label, at) => {
      const guess = this.suggested.find((each) => !each.box && each.label === label);
      const pressed = this.mode.checked ? label === this.current : labels.includes(label);
      const words = `${at < 9 ? `${at + 1} ` : ""}${label}${this.mode.checked && counts(label) ? ` (${counts(label)})` : ""}${guess ? ` ${guess.confidence.toFixed(0)} %?` : ""}`;
      const button = made("button", { type: "button", "aria-pressed": pressed, class: guess ? "guess" : null }, words);
      button.onclick = () => { guess && !labels.includes(label) ? this.accept(guess) : this.give(label); };
      return made("li", {}, button);
    }));
    this.querySelector(".place").textContent = `${this.at + 1} of ${this.entries.length} on this page: ${this.entries[this.at].ref}`;
    this.querySelector("[data-do=undo]").disabled = !this.past.length;
    this.querySelector("[data-do=redo]").disabled = !this.future.length;
    this.querySelector("[data-do=back]").disabled = !this.at;
  }
});
