// Buy: asks the shop for a Checkout Session and goes to Stripe's page. Without this script the form posts.
"use strict";

function beginBuying(form) {
  const button = form.querySelector("[type=submit]:not([formaction])");
  const problem = form.querySelector("[role=alert]");
  const label = button.textContent;

  const rest = () => {
    button.disabled = false;
    button.textContent = label;
    form.removeAttribute("aria-busy");
  };

  form.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("formaction")) return; // another button of the same form
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = form.dataset.busy;
    form.setAttribute("aria-busy", "true");
    problem.textContent = "";
    try {
      await leave(await askForSession(form));
    } catch (error) {
      problem.textContent = error.message || form.dataset.failed;
      rest();
    }
  });

  // Back from Checkout: the browser may show this page as it was left, with the button still busy.
  addEventListener("pageshow", (event) => event.persisted && rest());
}

const beginAll = () => document.querySelectorAll("form[data-buy]").forEach(beginBuying);
beginAll();
addEventListener("own", beginAll);

// A shop that wants a few seconds' patience gets it, once; longer ones are for the buyer to read.
const PATIENCE = 5;

async function askForSession(form, tries = 2) {
  const address = new URL(form.action);
  for (const [name, value] of new FormData(form)) address.searchParams.set(name, value);
  let response, body;
  try {
    response = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
    body = await response.json();
  } catch {
    throw new Error(form.dataset.failed);
  }
  const pause = Number(response.headers.get("Retry-After"));
  if (response.status === 429 && tries > 1 && pause <= PATIENCE) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
    return askForSession(form, tries - 1);
  }
  const page = response.headers.get("Location");
  if (["price_changed", "no_delivery"].includes(body.error?.code) && page) {
    // What became dearer is paid only once it was seen; another country is chosen on the order's page.
    location.assign(page);
    return new Promise(() => {}); // the button stays busy until that page is there
  }
  if (!response.ok) throw new Error(body.error?.message);
  return body;
}

// Newer Stripe.js has no redirectToCheckout, and a blocked script no Stripe at all: then the address itself.
async function leave({ session_id: sessionId, url, publishable_key: key }) {
  try {
    const result = await Stripe(key).redirectToCheckout({ sessionId });
    if (result?.error) throw result.error;
  } catch {
    location.assign(url);
  }
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
