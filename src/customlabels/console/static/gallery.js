// A data set's gallery: many at once, and new images by drag and drop.
import { made, send, takesFiles } from "./console.js";

const boxes = () => [...document.querySelectorAll(".gallery [name=ref]")];
const count = () => {
  const chosen = boxes().filter((box) => box.checked).length;
  document.querySelector("[data-count]").textContent = chosen ? `${chosen} chosen` : "none chosen";
};
let last = null;
document.querySelector(".gallery").addEventListener("click", (event) => {
  const all = boxes(), at = all.indexOf(event.target);
  if (event.target.matches("[data-page]")) all.forEach((box) => (box.checked = event.target.checked));
  if (at >= 0 && event.shiftKey && last !== null) {
    for (let i = Math.min(at, last); i <= Math.max(at, last); i++) all[i].checked = event.target.checked;
  }
  if (at >= 0) last = at;
  count();
});
count();

// Tokens only lead on: which page one came from is remembered here.
const next = document.querySelector("[rel=next]"), previous = document.querySelector("[rel=prev]");
const before = sessionStorage.getItem(location.pathname + location.search);
next?.addEventListener("click", () => sessionStorage.setItem(next.pathname + next.search, location.search || "?"));
if (before) Object.assign(previous, { href: before, hidden: false });

customElements.define("add-images", class extends HTMLElement {
  connectedCallback() {
    takesFiles(this, (files) => this.add(files));
  }

  async add(files) {
    const said = this.querySelector(".said"), refused = this.querySelector(".refused"), refs = [];
    const src = this.getAttribute("src");
    refused.replaceChildren();
    for (const [at, file] of files.entries()) {
      said.textContent = `${at + 1} of ${files.length}: ${file.name}`;
      try {
        refs.push(await (await send(`${src}?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream")).text());
      } catch (error) {
        refused.append(made("li", { class: "problem" }, `${file.name}: ${error.message}`));
      }
    }
    try {
      const label = this.querySelector("[name=label]").value;
      if (refs.length) await send(src, JSON.stringify({ refs, label }), "application/json");
      said.textContent = `${refs.length} of ${files.length} images were added.`;
      if (refs.length) said.append(" ", made("a", { href: "?text=added/" }, "Show them"));
    } catch (error) {
      said.textContent = error.message;
    }
  }
});
