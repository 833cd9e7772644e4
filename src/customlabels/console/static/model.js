// The threshold of one label: figures and the gallery of errors follow the slider at once.
import { made } from "./console.js";

const TILES = 60;
const TABS = { fp: "Wrongly found", fn: "Missed", tp: "Found" };

export const picture = (ref) => "/images/" + ref.slice(5).split("/").map(encodeURIComponent).join("/");

/** An image with boxes over it (left, top, right, bottom, as shares of its sides): truth solid, found dashed. */
function tile(ref, boxes, caption) {
  const image = made("img", { src: picture(ref) + "?size=240", alt: ref, loading: "lazy", width: 160, height: 120 });
  const link = made("a", { href: picture(ref) }, image);
  if (boxes.length) image.onload = () => {
    const wide = image.naturalWidth / image.naturalHeight;
    const over = made("svg", { viewBox: `0 0 ${wide} 1`, "aria-hidden": "true" });
    for (const [kind, [left, top, right, bottom]] of boxes)
      over.append(made("rect", { class: kind, x: left * wide, y: top, width: (right - left) * wide, height: bottom - top }));
    link.append(over);
  };
  return made("li", { class: "tile" }, link, made("span", {}, caption));
}

customElements.define("threshold-desk", class extends HTMLElement {
  async connectedCallback() {
    const asked = new URLSearchParams(location.search);
    this.tab = asked.get("tab") in TABS ? asked.get("tab") : "fp";
    this.slider = made("input", { type: "range", min: 0, max: 1, step: 0.001, "aria-label": "Threshold" });
    this.slider.value = asked.get("threshold") ?? this.getAttribute("threshold");
    this.figures = made("output", { class: "slider-figures" });
    const own = made("button", { type: "button" }, "The model's own");
    own.onclick = () => { this.slider.value = this.getAttribute("threshold"); this.show(); };
    this.tabs = made("div", { class: "acts" });
    this.list = made("ul", { class: "tiles" });
    this.append(made("div", { class: "slide" }, this.slider, own), this.figures, this.tabs, this.list);
    this.data = await (await fetch(this.getAttribute("src"))).json();
    this.slider.addEventListener("input", () => this.show());
    this.show();
  }

  show() {
    const cut = Number(this.slider.value), sorted = { tp: [], fp: [], fn: [] };
    for (const item of this.data.items) {
      const found = item[1] >= cut && (item[1] > 0 || !item[3]);  // 0: a true box that was not found at any
      if (found || item[2]) sorted[found ? (item[2] ? "tp" : "fp") : "fn"].push(item);
    }
    const [tp, fp, fn] = ["tp", "fp", "fn"].map((name) => sorted[name].length);
    const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "none");
    this.figures.textContent =
      `threshold ${cut.toFixed(3)}   precision ${share(tp, tp + fp)}   recall ${share(tp, tp + fn)}   F1 ${share(2 * tp, 2 * tp + fp + fn)}`;
    this.tabs.replaceChildren(...Object.entries(TABS).map(([name, title]) => {
      const button = made("button", { type: "button", "data-tab": name, "aria-pressed": name === this.tab }, `${title} (${sorted[name].length})`);
      button.onclick = () => { this.tab = name; this.show(); this.querySelector(`[data-tab=${name}]`).focus(); };
      return button;
    }));
    const order = this.tab === "fn" ? 1 : -1;  // the most surprising first
    const shown = sorted[this.tab].sort((a, b) => order * (a[1] - b[1])).slice(0, TILES);
    this.list.replaceChildren(...shown.map(([ref, score, present, box]) => {
      const truth = this.data.truth[ref], label = this.getAttribute("label");
      const boxes = truth.filter(([name, place]) => place && name === label).map(([, place]) => ["truth", place]);
      if (box && score > 0) boxes.push(["found", box]);
      const carried = [...new Set(truth.map(([name]) => name))].join(", ") || "nothing";
      return tile(ref, boxes, `${(100 * score).toFixed(1)} %, truth: ${carried}`);
    }));
    if (sorted[this.tab].length > TILES) this.list.append(made("li", { class: "quiet" }, `and ${sorted[this.tab].length - TILES} more`));
    const address = new URL(location.href);
    address.searchParams.set("label", this.getAttribute("label"));
    address.searchParams.set("tab", this.tab);
    address.searchParams.set("threshold", this.slider.value);
    clearTimeout(this.later);
    this.later = setTimeout(() => history.replaceState(null, "", address), 300);
  }
});
