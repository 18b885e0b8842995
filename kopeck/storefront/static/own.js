// A kept page is the same for everybody. A browser that may have orders of its own gets its own part of it.
"use strict";

const mayHaveOrders = () => /(?:^|; )kopeck_hint=/.test(document.cookie);

async function showOwn() {
  const part = document.querySelector("[data-own]");
  if (!part || !mayHaveOrders()) return;
  const response = await fetch(part.dataset.own, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const own = page.querySelector(part.dataset.part);
  // What was pressed or left meanwhile stays as it is: Order adds to what is there.
  if (!own || !part.isConnected || part.querySelector("[aria-busy]")) return;
  for (const field of part.querySelectorAll("input[type=number]")) {
    const same = own.querySelector(`[name="${field.name}"]`);
    if (same && field.value !== field.defaultValue) same.value = field.value;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.name : "";
  part.replaceWith(document.adoptNode(own));
  dispatchEvent(new Event("own")); // the other scripts begin anew
  if (focused) own.querySelector(`[name="${focused}"]`)?.focus();
}

showOwn().catch(() => {}); // offline, say: the page works without
addEventListener("pageshow", (event) => event.persisted && showOwn().catch(() => {}));
