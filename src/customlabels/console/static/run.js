// A run's page: news come as server-sent events, which the browser takes up again where they broke off.

customElements.define("live-run", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => this.choose(event));
    if (this.hasAttribute("open")) this.listen();
  }

  listen() {
    const source = new EventSource(this.getAttribute("src"));
    source.onmessage = (event) => this.take(JSON.parse(event.data));
    source.addEventListener("end", () => source.close());
  }

  take(news) {
    for (const [id, html] of Object.entries(news.parts)) {
      const place = document.getElementById(id), fresh = document.createElement("template");
      fresh.innerHTML = html;
      if (fresh.innerHTML === place.innerHTML) continue;  // a button stays under the finger that presses it
      if (!place.contains(document.activeElement) || id !== "head") place.innerHTML = html;
      else place.addEventListener("focusout", () => (place.innerHTML = html), { once: true });
    }
    for (const [name, [status, mark]] of Object.entries(news.graph)) {
      const state = this.querySelector(`[data-state="${CSS.escape(name)}"]`);
      if (!state) continue;
      state.classList.remove("RUNNING", "SUCCEEDED", "FAILED", "RETRYING", "CAUGHT");
      state.classList.add(status);
      state.querySelector(".mark").textContent = mark;
    }
    document.getElementById("events").insertAdjacentHTML("afterbegin", news.rows);
    document.querySelector("filter-rows").apply();
  }

  async choose(event) {
    const link = event.target.closest(".workflow a");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const address = new URL(link.getAttribute("href"), location.href);
    history.replaceState(null, "", address);
    address.searchParams.set("part", "state");
    document.getElementById("state").innerHTML = await (await fetch(address)).text();
  }
});

customElements.define("filter-rows", class extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form"), asked = new URLSearchParams(location.search);
    for (const field of form.elements) field.value = asked.get(field.name) ?? "";
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      const address = new URL(location.href);
      for (const field of form.elements) address.searchParams.set(field.name, field.value);
      history.replaceState(null, "", address);
      this.apply();
    });
    this.apply();
  }

  apply() {
    const { kind, text } = this.querySelector("form").elements;
    const wanted = text.value.toLowerCase();
    for (const row of document.getElementById(this.getAttribute("for")).rows) {
      row.hidden = (kind.value && row.dataset.kind !== kind.value) || !row.textContent.toLowerCase().includes(wanted);
    }
  }
});
