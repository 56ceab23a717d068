"use strict";
const lost = document.getElementById("lost"), main = document.querySelector("main");
let seen = new Date();
async function refresh() {
  try {
    const answer = await fetch("/", {cache: "no-store", signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const shown = main.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!shown) main.replaceChildren(...fresh.querySelector("main").childNodes);
      else if (shown.innerHTML !== part.innerHTML) shown.replaceChildren(...part.childNodes);
    }
    seen = new Date();
    lost.hidden = true;
  } catch {
    lost.textContent = `No answer from tray-stream since ${seen.toLocaleTimeString()}. What is shown is of that time.`;
    lost.hidden = false;
  }
}
setInterval(() => { if (!document.hidden && getSelection().isCollapsed) refresh(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
