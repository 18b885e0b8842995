// The Card Element in its frame, on one line or as three frames: number, date and code. Of three, the number's speaks
// for all: they are of one origin, so it reads its neighbours' inputs, and the shop's page reads none.
"use strict";

import { brandOf, formatExpiry, formatNumber, reformat } from "./card_inputs.js";
import { methodOf, missing } from "./element_fields.js";
import { byId, changeTeller, confirmWith, request, serve, shop, today } from "./element_frame.js";

const PARTS = { number: "cardNumber", expiry: "cardExpiry", cvc: "cardCvc" };
const BRANDS = { Visa: "visa", Mastercard: "mastercard", Amex: "amex", Discover: "discover", JCB: "jcb", Diners: "diners", UnionPay: "unionpay" };
const here = Object.keys(PARTS).filter((name) => byId(name));
const tellChange = changeTeller();

/** The input of a part, in this frame or in the neighbour that has it; null where the shop shows none. */
function partOf(name) {
  if (byId(name)) return byId(name);
  const frame = (shop.neighbours || {})[PARTS[name]];
  return frame ? window.parent.frames[frame]?.document.getElementById(name) : null;
}

const typed = () => Object.fromEntries(Object.keys(PARTS).map((name) => [name, partOf(name)?.value || ""]));

/** What is wrong with the card as Stripe's validation_error, or null. */
function problem(names = Object.keys(PARTS).filter(partOf)) {
  const found = missing("card", typed(), today());
  const first = names.find((name) => found[name]);
  return first ? { type: "validation_error", ...found[first] } : null;
}

function methodWith(given = {}) {
  const billing = { ...given.billing_details };
  const postal = byId("postal")?.value.trim();
  if (postal) billing.address = { postal_code: postal, ...billing.address };
  return { ...methodOf("card", typed(), billing), metadata: given.metadata };
}

function changed() {
  const values = here.map((name) => byId(name).value);
  const said = here.filter((name) => byId(name).value && !byId(name).matches(":focus"));
  const error = problem(said) || undefined;
  for (const name of here) byId(name).toggleAttribute("aria-invalid", Boolean(said.includes(name) && problem([name])));
  const change = { complete: !problem(here) && (!byId("postal") || byId("postal").value !== ""), empty: values.every((value) => !value), error };
  if (byId("number")) change.brand = BRANDS[brandOf(byId("number").value)] || "unknown";
  if (byId("postal")) change.value = { postalCode: byId("postal").value };
  if (byId("brand")) byId("brand").textContent = brandOf(byId("number").value);
  tellChange(change);
}

/** The shop's `style`: of each state the colours and letters that can be taken. */
function wear({ base = {}, invalid = {}, complete = {} } = {}) {
  const root = document.documentElement.style;
  const names = { color: "--ink", fontFamily: "--fontFamily", fontSize: "--size", fontWeight: "--weight", letterSpacing: "--spacing" };
  for (const [name, variable] of Object.entries(names)) if (base[name]) root.setProperty(variable, base[name]);
  if (base["::placeholder"]?.color) root.setProperty("--colorTextSecondary", base["::placeholder"].color);
  if (invalid.color) root.setProperty("--colorDanger", invalid.color);
  if (complete.color) root.setProperty("--complete", complete.color);
}

function take(options) {
  shop.element = options;
  wear(options.style);
  for (const field of document.querySelectorAll("input")) field.disabled = Boolean(options.disabled);
  if (byId("postal")) {
    byId("postal").hidden = Boolean(options.hidePostalCode);
    if (options.value?.postalCode) byId("postal").value = options.value.postalCode;
    if (options.hidePostalCode) byId("postal").remove();
  }
  for (const name of here) if (options.placeholder) byId(name).placeholder = options.placeholder;
}

/** {intent} or {error} of a confirmation with this card. */
async function confirm({ path, params }) {
  const error = problem();
  if (error) return { error };
  const { payment_method_data: given, ...rest } = params;
  return confirmWith(methodWith(given), path, rest);
}

async function make(given) {
  const error = problem();
  return error ? { error } : request("POST", "payment_methods", methodWith(given));
}

async function token(data = {}) {
  const error = problem();
  if (error) return { error };
  const { card } = methodWith();
  return request("POST", "tokens", { card: { ...card, ...data, address_zip: data.address_zip || byId("postal")?.value } });
}

byId("number")?.addEventListener("input", () => {
  reformat(byId("number"), formatNumber);
  if (byId("expiry") && !problem(["number"])) byId("expiry").focus();
});
byId("expiry")?.addEventListener("input", (event) => {
  reformat(byId("expiry"), (digits) => formatExpiry(digits, (event.inputType || "").startsWith("delete")));
  if (byId("cvc") && !problem(["expiry"])) byId("cvc").focus();
});
byId("cvc")?.addEventListener("input", () => { byId("cvc").value = byId("cvc").value.replace(/\D/g, "").slice(0, 4); });
byId("card").addEventListener("input", changed);
byId("card").addEventListener("focusout", () => setTimeout(changed));
// Where the line is too short for the whole number its end is what tells one card from another.
byId("number")?.addEventListener("blur", () => { byId("number").scrollLeft = byId("number").scrollWidth; });

serve({
  begin: () => { take(shop.element); changed(); return null; },
  orders: {
    clear: () => { document.querySelectorAll("input").forEach((field) => { field.value = ""; }); changed(); },
    focus: () => document.querySelector("input").focus(),
    neighbours: (frames) => { shop.neighbours = frames; },
    options: take,
  },
  questions: { confirm, make, token },
  body: byId("card"),
});
