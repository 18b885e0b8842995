// What the pages of all Elements share: the talk with the shop's Stripe.js, the API with the shop's pk_ key, the look.
// Such a page hears from the page that opened it only, and never tells it a digit of a card.
"use strict";

const VARIABLES = ["colorPrimary", "colorBackground", "colorText", "colorTextSecondary", "colorDanger", "borderRadius", "fontFamily", "fontSizeBase"];
const THEMES = ["stripe", "night", "flat"];

/** What the shop's page has said: its origin, its key, the Element's options, the intent's secret. */
export const shop = {};
export const byId = (id) => document.getElementById(id);
const WORDS = JSON.parse(document.body.dataset.words);
/** A sentence in the language of the page. */
export const say = (text) => (Object.hasOwn(WORDS, text) ? WORDS[text] : text);
export const today = () => new Date(Number(document.body.dataset.now) * 1000);

export function tell(type, data, answer) {
  window.parent.postMessage({ type, data, answer }, shop.origin);
}

/** A theme and variables of the shop's `appearance`. */
export function dress({ theme, variables }) {
  document.documentElement.className = THEMES.includes(theme) ? theme : "stripe";
  for (const name of VARIABLES) {
    if (typeof variables[name] === "string") document.documentElement.style.setProperty(`--${name}`, variables[name]);
    else document.documentElement.style.removeProperty(`--${name}`);
  }
}

/** Stripe's form encoding: {a: {b: 1}} is a[b]=1; what is empty is left out. */
function encode(params, prefix, body = new URLSearchParams()) {
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === "") continue;
    const path = prefix ? `${prefix}[${name}]` : name;
    if (typeof value === "object") encode(value, path, body);
    else body.append(path, String(value));
  }
  return body;
}

/** An answer of the API, or {error}. */
export async function request(method, path, params) {
  const form = encode(params);
  const options = { method, cache: "no-store", headers: { Authorization: `Bearer ${shop.key}` } };
  if (method === "POST") options.body = form;
  const api = new URL("../../v1/", window.location.href).href;
  try {
    const response = await fetch(`${api}${path}${method === "GET" ? `?${form}` : ""}`, options);
    const answer = await response.json();
    if (answer.error) answer.error.message = say(answer.error.message);
    return answer;
  } catch {
    return { error: { type: "api_connection_error", message: say("The connection to the sandbox broke. You have not been charged. Please try again.") } };
  }
}

/** One input's error, said below it; "" takes it away. */
export function showError(name, message) {
  const line = byId(`${name}-error`);
  line.textContent = message;
  line.hidden = !message;
  if (!byId(name)) return;
  if (message) byId(name).setAttribute("aria-invalid", "true");
  else byId(name).removeAttribute("aria-invalid");
  byId(name).setAttribute("aria-describedby", line.id);
}

/** `tellChange(change)` tells the shop's page what has changed, once. */
export function changeTeller() {
  let said = "";
  return (change) => {
    const text = JSON.stringify(change);
    if (text !== said) tell("change", change);
    said = text;
  };
}

/** Live in the shop's page: `begin(appearance)` readies the form and may return an error, `orders` do something,
 *  `questions` are answered, `body` is what the frame is as high as. */
export function serve({ begin, orders = {}, questions = {}, body }) {
  async function start(origin, { appearance, ...given }) {
    Object.assign(shop, given, { origin });
    dress(appearance);
    window.addEventListener("focus", () => tell("focus"));
    window.addEventListener("blur", () => tell("blur"));
    body.addEventListener("submit", (event) => event.preventDefault());
    body.addEventListener("keydown", (event) => { if (event.key === "Escape") tell("escape"); });
    const error = await begin();
    const room = Number(document.body.dataset.room || 8);
    new ResizeObserver(() => tell("resize", { height: Math.ceil(body.getBoundingClientRect().height) + room })).observe(body);
    tell(error ? "loaderror" : "ready", error ? { error } : {});
  }
  const all = { appearance: dress, blur: () => document.activeElement?.blur(), options: (options) => { shop.element = options; }, ...orders };
  window.addEventListener("message", async ({ source, origin, data: message }) => {
    if (source !== window.parent || source === window) return;
    const { type, data, id } = message || {};
    // The first to speak is the page that holds the frame; nobody else is listened to afterwards.
    if (!shop.origin && type === "init") await start(origin, data);
    else if (shop.origin !== origin) return;
    else if (Object.hasOwn(all, type)) all[type](data);
    else if (Object.hasOwn(questions, type)) tell("answer", await questions[type](data), id);
  });
  window.parent.postMessage({ type: "hello", data: { title: document.title } }, "*");
}

/** A PaymentMethod of `method`, then the confirmation of the intent with it; {intent} or {error}. */
export async function confirmWith(method, path, params) {
  const made = await request("POST", "payment_methods", method);
  if (made.error) return made;
  const intent = await request("POST", `${path}/confirm`, { ...params, payment_method: made.id });
  return intent.error ? intent : { intent };
}
