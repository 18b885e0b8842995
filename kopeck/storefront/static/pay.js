// Pays on our own page: Stripe's Payment Element for the intent of this order.
"use strict";

const form = document.querySelector("form[data-pay]");
const button = form.querySelector("[type=submit]");
const problem = form.querySelector("[role=alert]");
const label = button.textContent;

// A pasted address brings letters that nobody sees: the browser and Stripe would refuse it for them.
form.elements.email.addEventListener("change", ({ target }) => {
  target.value = target.value.normalize("NFKC").replace(/[\p{Default_Ignorable_Code_Point}\s]/gu, "");
});

const say = (text) => {
  problem.textContent = text;
};

async function start() {
  const response = await fetch(form.dataset.intent, { headers: { Accept: "application/json" }, cache: "no-store" });
  const body = await response.json();
  const code = body.error?.code;
  if (response.status === 409 || code === "no_delivery") {
    // Paid meanwhile, dearer, or sent there no more: the order's own page says which.
    const order = new URL(form.dataset.order, location.href);
    if (code === "price_changed") order.searchParams.set("notice", code);
    if (code === "no_delivery") order.hash = "delivery";
    return location.assign(order);
  }
  if (!response.ok) throw new Error(body.error?.message);

  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const stripe = Stripe(body.publishable_key, { locale: document.documentElement.lang });
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const variables = {
    colorPrimary: token("--copper"), colorBackground: token("--card"), colorText: token("--ink"),
    colorTextSecondary: token("--ink-2"), colorDanger: token("--bad"), borderRadius: "10px",
  };
  const appearance = { theme: dark ? "night" : "stripe", variables };
  const elements = stripe.elements({ clientSecret: body.client_secret, appearance });
  // The address is asked above; with "never" it must be, and is, given to confirmPayment.
  const element = elements.create("payment", { fields: { billingDetails: { email: "never" } } });
  element.on("ready", () => {
    button.disabled = false;
  });
  element.mount(form.querySelector("[data-element]"));
  // What is delivered has an address: confirmPayment hands over what this Element holds, as the intent's `shipping`.
  const place = form.querySelector("[data-address]");
  if (place) {
    const validation = { phone: { required: "always" } };
    const allowedCountries = [place.dataset.address];
    elements.create("address", { mode: "shipping", allowedCountries, fields: { phone: "always" }, validation }).mount(place);
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pay(stripe, elements);
  });
}

async function pay(stripe, elements) {
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = form.dataset.busy;
  say("");
  // Not receipt_email: the shop mails the receipt, and Stripe would send a second one.
  const billing = { email: form.elements.email.value };
  const confirmParams = { return_url: form.dataset.return, payment_method_data: { billing_details: billing } };
  // Comes back only with an error; else the buyer is on the way to the order's page, which asks Stripe itself.
  const { error } = await stripe.confirmPayment({ elements, confirmParams });
  if (!error) return;
  const over = error.code === "payment_intent_unexpected_state";
  // What is wrong with the card the Element says itself, beside its field; a refused 3-D Secure it does not.
  const ofCard = error.type === "card_error" && error.code !== "payment_intent_authentication_failure";
  const isSaid = ofCard || error.type === "validation_error";
  say(over ? form.dataset.replaced : isSaid ? "" : error.message || form.dataset.failed);
  button.disabled = false;
  button.textContent = label;
}

start().catch((error) => say(error.message || form.dataset.failed));
