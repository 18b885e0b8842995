// The Payment Element inside its frame: the form, what is missing in it, and the calls that pay or save.
"use strict";

import { brandOf, formatExpiry, formatNumber, reformat } from "./card_inputs.js";
import { FIELDS, methodOf, missing } from "./element_fields.js";
import { byId, changeTeller, confirmWith, request, serve, shop, showError, today } from "./element_frame.js";

const number = byId("number");
const expiry = byId("expiry");
const cvc = byId("cvc");
const OVER = ["succeeded", "canceled", "processing", "requires_capture"];
const tellChange = changeTeller();
let method = "card";

/** What the form offers: as the intent says, or before there is one as the shop's page does. */
async function load() {
  if (!shop.clientSecret) {
    offer(shop.types || ["card"]);
    return null;
  }
  const id = shop.clientSecret.split("_secret_")[0];
  const [path, noun] = id.startsWith("seti_") ? ["setup_intents", "SetupIntent"] : ["payment_intents", "PaymentIntent"];
  const answer = await request("GET", `${path}/${id}`, { client_secret: shop.clientSecret });
  if (answer.error) return answer.error;
  if (OVER.includes(answer.status) && !shop.lenient) {
    return {
      type: "invalid_request_error",
      code: `${path.slice(0, -1)}_unexpected_state`,
      message: `The client_secret is of a ${noun} in a terminal state (${answer.status}); Elements can't be initialized with it.`,
    };
  }
  offer(answer.payment_method_types);
  return null;
}

/** The parameters of the PaymentMethod that was typed; `given` is what the shop's page knows besides. */
function typedMethod(given = {}) {
  const billing = { ...shop.element.defaultValues?.billingDetails, ...given.billing_details };
  return methodOf(method, values(), billing);
}

/** {intent} of the confirmation with what was typed, or {error}. */
async function confirm({ path, params }) {
  const found = validate();
  if (found.error) return found;
  const { payment_method_data: given, ...rest } = params;
  return refused(await confirmWith(typedMethod(given), path, rest));
}

/** A PaymentMethod of what was typed, or {error}. */
async function make(given) {
  const found = validate();
  return found.error ? found : refused(await request("POST", "payment_methods", typedMethod(given)));
}

/** A ConfirmationToken of what was typed, or {error}. */
async function collect({ payment_method_data: given, ...rest }) {
  const found = validate();
  return found.error ? found : refused(await request("POST", "confirmation_tokens", { ...rest, payment_method_data: typedMethod(given) }));
}

const FIELD_OF_CODE = {
  incorrect_cvc: "cvc", invalid_cvc: "cvc", expired_card: "expiry", invalid_expiry_month: "expiry", invalid_expiry_year: "expiry",
  invalid_bank_account_iban: "iban", bank_account_unusable: "iban",
};

/** The answer; what was refused is said beside its input as well. */
function refused(answer) {
  const { error } = answer;
  if (!error) return answer;
  const name = FIELD_OF_CODE[error.code] || (error.type === "card_error" ? FIELDS[method][0] : "");
  if (name) showError(name, error.message);
  return { error };
}

const values = () => Object.fromEntries(Object.values(FIELDS).flat().map((name) => [name, byId(name).value]));

/** Show the ways to pay that there are; the chosen one where it is still among them. */
function offer(types) {
  const offered = Object.keys(FIELDS).filter((type) => types.includes(type));
  document.querySelector(".methods").hidden = offered.length < 2;
  choose(offered.includes(method) ? method : offered[0] || "card");
}

function choose(type) {
  method = type;
  for (const name of Object.keys(FIELDS)) byId(name).hidden = name !== type;
  for (const button of document.querySelectorAll("[data-method]")) button.setAttribute("aria-pressed", String(button.dataset.method === type));
}

/** All that is missing, shown; the first of it as Stripe's validation_error. */
function validate() {
  const found = missing(method, values(), today());
  for (const name of FIELDS[method]) showError(name, found[name]?.message || "");
  const first = FIELDS[method].find((name) => found[name]);
  if (!first) return { selectedPaymentMethod: method };
  byId(first).focus();
  return { error: { type: "validation_error", ...found[first] } };
}

function changed() {
  byId("brand").textContent = brandOf(number.value);
  const typed = values();
  const complete = Object.keys(missing(method, typed, today())).length === 0;
  const empty = FIELDS[method].every((name) => typed[name] === "");
  tellChange({ collapsed: false, complete, empty, value: { type: method } });
}

function fill({ dataset }) {
  if (dataset.iban) {
    byId("iban").value = dataset.iban;
  } else {
    number.value = formatNumber(dataset.number);
    expiry.value = dataset.expiry;
    cvc.value = dataset.cvc;
  }
  FIELDS[method].forEach((name) => showError(name, ""));
  const same = (chip) => chip.dataset.number === dataset.number && chip.dataset.iban === dataset.iban;
  document.querySelectorAll(".chip").forEach((chip) => chip.toggleAttribute("aria-current", same(chip)));
  changed();
}

function clear() {
  Object.values(FIELDS).flat().forEach((name) => { byId(name).value = ""; showError(name, ""); });
  changed();
}

number.addEventListener("input", () => reformat(number, formatNumber));
expiry.addEventListener("input", (event) => reformat(expiry, (digits) => formatExpiry(digits, (event.inputType || "").startsWith("delete"))));
cvc.addEventListener("input", () => { cvc.value = cvc.value.replace(/\D/g, "").slice(0, 4); });
byId("payment").addEventListener("input", (event) => { showError(event.target.name, ""); changed(); });
// Half a card number is said when its input is left; an empty one only when the buyer wants to pay.
byId("payment").addEventListener("focusout", ({ target }) => {
  if (target.value && target.name) showError(target.name, missing(method, values(), today())[target.name]?.message || "");
});
document.querySelectorAll("[data-method]").forEach((button) => button.addEventListener("click", () => { choose(button.dataset.method); changed(); }));
document.querySelectorAll(".chip[title]").forEach((chip) => chip.addEventListener("click", (event) => { event.preventDefault(); fill(chip); }));
byId("more").addEventListener("click", () => document.querySelector(".chips").classList.add("all"));

async function begin() {
  const known = shop.element.defaultValues?.billingDetails || {};
  for (const name of ["name", "email"]) byId(name).value = known[name] || "";
  const error = await load();
  if (error) {
    for (const name of Object.keys(FIELDS)) byId(name).hidden = true;
    showError("load", error.message);
  }
  return error;
}

serve({
  begin,
  orders: { clear, focus: () => byId(FIELDS[method][0]).focus() },
  questions: { collect, confirm, make, validate, fetch: async () => { const error = await load(); return error ? { error } : {}; } },
  body: byId("payment"),
});
