// An image of one's own: shown on a canvas, so that the policy of the page needs no exception for it.
import { made, send, takesFiles } from "./console.js";

customElements.define("try-desk", class extends HTMLElement {
  connectedCallback() {
    takesFiles(this, ([file]) => this.ask(file));
    this.querySelector("[name=confidence]").onchange = () => this.ask(this.file);
  }

  async ask(file) {
    if (!file) return;
    this.file = file;
    const said = this.querySelector(".said"), confidence = this.querySelector("[name=confidence]").value;
    said.textContent = "asking…";
    try {
      const [image, answer] = await Promise.all([
        createImageBitmap(file, { imageOrientation: "from-image" }),
        send(this.getAttribute("src") + (confidence ? `?confidence=${confidence}` : ""), file, "application/octet-stream"),
      ]);
      const { labels, milliseconds } = await answer.json();
      said.textContent = `${labels.length} label${labels.length === 1 ? "" : "s"} in ${milliseconds} ms`;
      this.draw(image, labels);
    } catch (error) {
      said.textContent = error.message;
      this.querySelector(".canvas").replaceChildren();
      this.querySelector(".found").replaceChildren();
    }
  }

  draw(image, labels) {
    const canvas = made("canvas", { width: image.width, height: image.height, role: "img", "aria-label": this.file.name });
    canvas.getContext("2d").drawImage(image, 0, 0);
    const over = made("svg", { viewBox: `0 0 ${image.width} ${image.height}`, "aria-hidden": "true" });
    for (const { Geometry } of labels) {
      if (!Geometry) continue;
      const { Left, Top, Width, Height } = Geometry.BoundingBox;
      over.append(made("rect", { class: "found", x: Left * image.width, y: Top * image.height, width: Width * image.width, height: Height * image.height }));
    }
    this.querySelector(".canvas").replaceChildren(canvas, over);
    const rows = labels.map(({ Name, Confidence }) => made("tr", {}, made("th", { scope: "row" }, Name), made("td", { class: "number" }, `${Confidence.toFixed(1)} %`)));
    const head = made("thead", {}, made("tr", {}, made("th", { scope: "col" }, "Label"), made("th", { scope: "col", class: "number" }, "Confidence")));
    this.querySelector(".found").replaceChildren(labels.length ? made("table", {}, head, made("tbody", {}, ...rows)) : made("p", {}, "No label is above its threshold."));
  }
});
