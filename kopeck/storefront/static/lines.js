// A changed quantity of an order counts at once. Without this script Update sends it.
"use strict";

const PAUSE = 300; // of somebody who presses + several times
const total = document.createElement("p");
let timer = 0;
let sending = Promise.resolve();
let pending = false;

const linesForm = () => document.querySelector("[data-lines]");
const fields = () => [...(linesForm()?.elements ?? [])].filter((field) => field.type === "number");

function begin() {
  for (const button of document.querySelectorAll("[data-update]")) button.hidden = true;
  for (const field of fields()) field.addEventListener("change", changed);
}

function changed() {
  if (!fields().every((field) => field.validity.valid)) return;
  pending = true;
  clearTimeout(timer);
  timer = setTimeout(send, PAUSE);
}

// One at a time, for each answer is the order as that change left it.
function send() {
  clearTimeout(timer);
  sending = sending.then(exchange);
  return sending;
}

async function exchange() {
  const form = linesForm();
  if (!pending || !form) return;
  pending = false;
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" }, keepalive: true });
    if (!response.ok) throw new Error(response.status);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!pending) show(page, response.url);
  } catch {
    pending = false;
    for (const field of fields()) field.value = field.defaultValue;
    document.querySelector("[data-problem]").textContent = form.dataset.failed;
  }
}

function show(page, address) {
  const state = (where) => where.querySelector("[data-order-status]")?.dataset.orderStatus;
  if (state(page) !== state(document)) return location.assign(address); // paid meanwhile, say
  const focused = document.activeElement?.getAttribute("aria-label");
  document.querySelector("article.order").replaceWith(document.adoptNode(page.querySelector("article.order")));
  dispatchEvent(new Event("own")); // the other scripts begin anew
  begin();
  if (focused) document.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  total.textContent = document.querySelector(".total").textContent;
}

// Pay, pressed before the change is counted, waits for it.
document.addEventListener(
  "click",
  async (event) => {
    const way = event.target.closest("[data-waits]")?.dataset.waits;
    if (!way || !pending) return;
    event.preventDefault();
    event.stopPropagation();
    await send();
    if (!document.querySelector("[data-problem]")?.textContent) document.querySelector(`[data-waits="${way}"]`)?.click();
  },
  true
);

total.className = "unseen";
total.setAttribute("role", "status");
document.querySelector("main").append(total);
begin();
