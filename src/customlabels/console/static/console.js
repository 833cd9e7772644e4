// What every page has: copying commands, questions before something ends, parts that load themselves again.

export const token = () => document.querySelector("meta[name=csrf]").content;

/** Send something to the server as this session; throws what it refuses, in its own words. */
export async function send(url, body, type) {
  const headers = { "X-CSRF-Token": token() };
  if (type) headers["Content-Type"] = type;
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/** Another element made of text, never of HTML. */
export function made(name, attributes = {}, ...children) {
  const drawing = ["svg", "rect", "text", "g", "circle"].includes(name);
  const element = drawing ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Let files be chosen inside an element, or dropped on it; `take` is given the list. */
export function takesFiles(element, take) {
  const file = element.querySelector("[type=file]"), drop = element.querySelector(".drop");
  const over = (yes) => (event) => { event.preventDefault(); drop.classList.toggle("over", yes); };
  file.onchange = () => take([...file.files]);
  drop.ondragover = over(true);
  drop.ondragleave = over(false);
  drop.ondrop = (event) => { over(false)(event); take([...event.dataTransfer.files]); };
}

addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.parentElement.querySelector("code").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not over plain HTTP from elsewhere: then it is selected, for the keyboard
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
});

addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

// A part of the page that changes on the server. It stays while somebody is in it.
const live = document.querySelector("[data-live]");
if (live) {
  const again = async () => {
    if (!document.hidden && !live.contains(document.activeElement)) {
      try {
        const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
        const fresh = page.getElementById(live.id);
        if (fresh && fresh.innerHTML !== live.innerHTML) live.innerHTML = fresh.innerHTML;
        if (fresh) live.dataset.live = fresh.dataset.live;
      } catch {}  // the server is away; the next look tells
    }
    setTimeout(again, 1000 * live.dataset.live);
  };
  setTimeout(again, 1000 * live.dataset.live);
}
