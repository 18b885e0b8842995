// The Payment Element inside its frame: the form, what is missing in it, and the two calls that pay.
// Its page hears from the shop's Stripe.js only, and never tells it a digit of the card.
"use strict";

import { brandOf, formatExpiry, formatNumber, reformat } from "./card_inputs.js";
import { FIELDS, methodOf, missing } from "./element_fields.js";

const byId = (id) => document.getElementById(id);
const number = byId("number");
const expiry = byId("expiry");
const cvc = byId("cvc");
const OVER = ["succeeded", "canceled", "processing", "requires_capture"];
const VARIABLES = ["colorPrimary", "colorBackground", "colorText", "colorTextSecondary", "colorDanger", "borderRadius", "fontFamily", "fontSizeBase"];
const THEMES = ["stripe", "night", "flat"];

let shop = null;
let method = "card";
let said = "";

// -- the shop's page --------------------------------------------------------------------------------------------------

function tell(type, data, answer) {
  window.parent.postMessage({ type, data, answer }, shop.origin);
}

function dress({ theme, variables }) {
  document.documentElement.className = THEMES.includes(theme) ? theme : "stripe";
  for (const name of VARIABLES) {
    if (typeof variables[name] === "string") document.documentElement.style.setProperty(`--${name}`, variables[name]);
    else document.documentElement.style.removeProperty(`--${name}`);
  }
}

// -- the API, with the shop's pk_ key ---------------------------------------------------------------------------------

function encode(params, prefix, body = new URLSearchParams()) {
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === "") continue;
    const path = prefix ? `${prefix}[${name}]` : name;
    if (typeof value === "object") encode(value, path, body);
    else body.append(path, String(value));
  }
  return body;
}

async function request(method, path, params) {
  const form = encode(params);
  const options = { method, cache: "no-store", headers: { Authorization: `Bearer ${shop.key}` } };
  if (method === "POST") options.body = form;
  try {
    const response = await fetch(`${shop.api}${path}${method === "GET" ? `?${form}` : ""}`, options);
    return await response.json();
  } catch {
    return { error: { type: "api_connection_error", message: "The connection to the sandbox broke. You have not been charged. Please try again." } };
  }
}

async function load() {
  const id = shop.clientSecret.split("_secret_")[0];
  const answer = await request("GET", `payment_intents/${id}`, { client_secret: shop.clientSecret });
  if (answer.error) return answer.error;
  if (OVER.includes(answer.status) && !shop.lenient) {
    return {
      type: "invalid_request_error",
      code: "payment_intent_unexpected_state",
      message: `The client_secret is of a PaymentIntent in a terminal state (${answer.status}); Elements can't be initialized with it.`,
    };
  }
  offer(answer.payment_method_types);
  return null;
}

/** A PaymentMethod of what was typed, then the confirmation with it: {paymentIntent} or {error}. */
async function confirm({ id, params }) {
  const found = validate();
  if (found.error) return found;
  const { payment_method_data: given = {}, ...rest } = params;
  const billing = { ...shop.element.defaultValues?.billingDetails, ...given.billing_details };
  const made = await request("POST", "payment_methods", methodOf(method, values(), billing));
  if (made.error) return refused(made);
  const intent = await request("POST", `payment_intents/${id}/confirm`, { ...rest, payment_method: made.id });
  return intent.error ? refused(intent) : { paymentIntent: intent };
}

const FIELD_OF_CODE = {
  incorrect_cvc: "cvc", invalid_cvc: "cvc", expired_card: "expiry", invalid_expiry_month: "expiry", invalid_expiry_year: "expiry",
  invalid_bank_account_iban: "iban", bank_account_unusable: "iban",
};

/** What was refused is said beside its input as well. */
function refused({ error }) {
  const name = FIELD_OF_CODE[error.code] || (error.type === "card_error" ? FIELDS[method][0] : "");
  if (name) showError(name, error.message);
  return { error };
}

// -- the form ---------------------------------------------------------------------------------------------------------

const today = () => new Date(shop.now * 1000);
const values = () => Object.fromEntries(Object.values(FIELDS).flat().map((name) => [name, byId(name).value]));

/** Show the ways to pay that the intent has; the chosen one where it is still among them. */
function offer(types) {
  const offered = Object.keys(FIELDS).filter((type) => types.includes(type));
  document.querySelector(".methods").hidden = offered.length < 2;
  choose(offered.includes(method) ? method : offered[0]);
}

function choose(type) {
  method = type;
  for (const name of Object.keys(FIELDS)) byId(name).hidden = name !== type;
  for (const button of document.querySelectorAll("[data-method]")) button.setAttribute("aria-pressed", String(button.dataset.method === type));
}

function showError(name, message) {
  const line = byId(`${name}-error`);
  line.textContent = message;
  line.hidden = !message;
  if (!byId(name)) return;
  if (message) byId(name).setAttribute("aria-invalid", "true");
  else byId(name).removeAttribute("aria-invalid");
  byId(name).setAttribute("aria-describedby", line.id);
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
  const change = { collapsed: false, complete, empty, value: { type: method } };
  const text = JSON.stringify(change);
  if (text !== said) tell("change", change);
  said = text;
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
byId("payment").addEventListener("submit", (event) => event.preventDefault());
byId("payment").addEventListener("keydown", (event) => { if (event.key === "Escape") tell("escape"); });
document.querySelectorAll("[data-method]").forEach((button) => button.addEventListener("click", () => { choose(button.dataset.method); changed(); }));
document.querySelectorAll(".chip[title]").forEach((chip) => chip.addEventListener("click", (event) => { event.preventDefault(); fill(chip); }));
byId("more").addEventListener("click", () => document.querySelector(".chips").classList.add("all"));

// -- messages ---------------------------------------------------------------------------------------------------------

const ORDERS = {
  appearance: dress,
  options: (options) => { shop.element = options; },
  focus: () => byId(FIELDS[method][0]).focus(),
  blur: () => document.activeElement?.blur(),
  clear,
};
const QUESTIONS = {
  confirm,
  validate,
  fetch: async () => { const error = await load(); return error ? { error } : {}; },
};

async function start(origin, { appearance, ...given }) {
  shop = { ...given, origin, api: new URL("../../v1/", window.location.href).href, now: Number(document.body.dataset.now) };
  dress(appearance);
  const known = shop.element.defaultValues?.billingDetails || {};
  for (const name of ["name", "email"]) byId(name).value = known[name] || "";
  window.addEventListener("focus", () => tell("focus"));
  window.addEventListener("blur", () => tell("blur"));
  const error = await load();
  if (error) {
    for (const name of Object.keys(FIELDS)) byId(name).hidden = true;
    showError("load", error.message);
  }
  new ResizeObserver(() => tell("resize", { height: Math.ceil(byId("payment").getBoundingClientRect().height) + 8 })).observe(byId("payment"));
  tell(error ? "loaderror" : "ready", error ? { error } : {});
}

window.addEventListener("message", async ({ source, origin, data: message }) => {
  if (source !== window.parent || source === window) return;
  const { type, data, id } = message || {};
  // The first to speak is the page that holds the frame; nobody else is listened to afterwards.
  if (!shop && type === "init") await start(origin, data);
  else if (shop?.origin !== origin) return;
  else if (Object.hasOwn(ORDERS, type)) ORDERS[type](data);
  else if (Object.hasOwn(QUESTIONS, type)) tell("answer", await QUESTIONS[type](data), id);
});
window.parent.postMessage({ type: "hello" }, "*");
