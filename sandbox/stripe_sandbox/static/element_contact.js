// Elements that ask who the buyer is, each in its frame: e-mail (Link Authentication), name and address. And Express
// Checkout, which has no wallet here. They tell the shop's page what was typed: none of it is a secret of a card's.
"use strict";

import { byId, changeTeller, say, serve, shop, showError } from "./element_frame.js";

const EMAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/;
const REQUIRED = { name: say("Enter your full name."), line1: say("Enter your address."), city: say("Enter your city."), postal_code: say("Enter your postal code."), country: say("Choose a country.") };
const kind = document.body.dataset.kind;
const form = byId("contact");
const tellChange = changeTeller();
const text = (name) => byId(name)?.value.trim() || "";

/** What is wrong, by input. */
function problems() {
  if (kind === "linkAuthentication") {
    if (!text("email")) return { email: say("Enter your email.") };
    return EMAIL.test(text("email")) ? {} : { email: say("Your email is incomplete.") };
  }
  if (kind !== "address") return {};
  const wanted = Object.entries(REQUIRED).filter(([name]) => !text(name));
  if (asksPhone() && shop.element.validation?.phone?.required !== "never" && !text("phone")) wanted.push(["phone", say("Enter your phone number.")]);
  return Object.fromEntries(wanted);
}

const asksPhone = () => shop.element.fields?.phone === "always";

function value() {
  if (kind === "linkAuthentication") return { email: text("email") };
  const address = Object.fromEntries(["line1", "line2", "city", "state", "postal_code", "country"].map((name) => [name, text(name)]));
  address.line2 ||= null;
  return { name: text("name"), address, ...(asksPhone() && { phone: text("phone") }) };
}

function changed() {
  const fields = [...form.querySelectorAll("input")];
  const change = { complete: Object.keys(problems()).length === 0, empty: fields.every((field) => !field.value), value: value() };
  if (kind === "address") Object.assign(change, { isNewAddress: true, elementMode: shop.element.mode });
  tellChange(change);
}

/** Everything that is missing, shown; the first of it as Stripe's validation_error. */
function validate() {
  const found = problems();
  const names = [...form.elements].map((field) => field.name).filter(Boolean);
  for (const name of names) showError(name, found[name] || "");
  const first = names.find((name) => found[name]);
  if (!first) return {};
  byId(first).focus();
  return { error: { type: "validation_error", code: `incomplete_${first}`, message: found[first] } };
}

function begin() {
  const known = shop.element.defaultValues || {};
  const flat = { ...known, ...known.address };
  if (kind === "address") {
    byId("phone").closest(".field").hidden = !asksPhone();
    const allowed = shop.element.allowedCountries;
    for (const option of [...byId("country").options]) if (allowed && option.value && !allowed.includes(option.value)) option.remove();
    if (allowed?.length === 1) flat.country ||= allowed[0];
  }
  for (const field of form.elements) if (typeof flat[field.name] === "string") field.value = flat[field.name];
  if (kind !== "expressCheckout") changed();
  return null;
}

form.addEventListener("input", (event) => { showError(event.target.name, ""); changed(); });
form.addEventListener("focusout", ({ target }) => { if (target.value && target.name) showError(target.name, problems()[target.name] || ""); });

serve({
  begin,
  orders: {
    clear: () => { form.reset(); changed(); },
    focus: () => form.querySelector("input")?.focus(),
  },
  questions: { validate, value: () => ({ complete: Object.keys(problems()).length === 0, isNewAddress: true, value: value() }) },
  body: form,
});
