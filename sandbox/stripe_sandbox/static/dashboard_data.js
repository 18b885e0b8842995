// What the dashboard asks of /_sandbox/, and how it writes values down. No page logic here.
"use strict";

const PREFIX = new URL("_sandbox/", document.baseURI).href;

export class Refusal extends Error {}

async function ask(method, path, body) {
  const options = { method, cache: "no-store", headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(PREFIX + path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refusal(answer.error?.message || `The sandbox answered ${response.status}.`);
  return answer;
}

export const get = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  return ask("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
};
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);

/** make("td", {className: "time"}, "text", node, ...): text is always text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const pad = (number) => String(number).padStart(2, "0");

export function clockText(seconds) {
  const date = new Date(seconds * 1000);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
}

export const timeText = (seconds) => (seconds ? clockText(seconds).slice(11) : "");

export function spanText(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = parts.find(([size]) => Math.abs(seconds) >= size) || parts[3];
  return `${Math.round((seconds / size) * 10) / 10} ${unit}`;
}

// How many digits are minor is Stripe's own table (money.py has it too), not the browser's.
const ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
const THREE_DECIMAL = "bhd jod kwd omr tnd".split(" ");
const SHOWN_WHOLE = ["isk", "ugx"]; // sent in hundredths that they don't have: 500 is 5 krónur

const decimals = (currency) => (ZERO_DECIMAL.includes(currency) ? 0 : THREE_DECIMAL.includes(currency) ? 3 : 2);

/** An amount in words, (1900, "usd") -> "$19.00"; the payload beside it has the minor units. */
export function moneyText(minor, currency) {
  if (minor === null || minor === undefined) return "";
  if (!currency) return String(minor);
  const digits = decimals(currency);
  const amount = minor / 10 ** digits;
  const shown = SHOWN_WHOLE.includes(currency) && Number.isInteger(amount) ? 0 : digits;
  return new Intl.NumberFormat("en", {
    style: "currency", currency, minimumFractionDigits: shown, maximumFractionDigits: shown,
  }).format(amount);
}

const GOOD = ["succeeded", "complete", "paid", "active", "enabled", "valid", "won", "available"];
const BAD = ["failed", "canceled", "expired", "dropped", "lost", "disabled", "inactive", "deleted"];

export function stateWord(word) {
  if (!word) return "";
  const tone = GOOD.includes(word) ? "good" : BAD.includes(word) ? "bad" : "wait";
  return make("span", { className: `state-word ${tone}` }, word.replaceAll("_", " "));
}

export const codeWord = (attempt) => make(
  "span",
  { className: attempt.status >= 200 && attempt.status < 300 ? "code good" : "code", title: attempt.error || attempt.body || "" },
  attempt.status ? String(attempt.status) : "none",
);

// Ids of objects that the sandbox can show; a click on one in a payload opens it.
const KINDS = {
  cs: "checkout.session", pi: "payment_intent", pm: "payment_method", ch: "charge", re: "refund", cus: "customer",
  promo: "promotion_code", txr: "tax_rate", prod: "product", price: "price", evt: "event", dp: "dispute", du: "dispute",
  txn: "balance_transaction", we: "webhook_endpoint",
};
const ID = /^([a-z]+)_(?:test_)?[A-Za-z0-9]{8,}$/;
export const kindOfId = (text) => KINDS[(ID.exec(text) || [])[1]];

/** A value as indented, coloured JSON; `link(kind, id)` gives the address of an object. */
export function json(value, link, indent = "") {
  const inner = `${indent}  `;
  if (value !== null && typeof value === "object") {
    const list = Array.isArray(value);
    const entries = list ? value.map((item) => [null, item]) : Object.entries(value);
    const part = document.createDocumentFragment();
    if (!entries.length) {
      part.append(list ? "[]" : "{}");
      return part;
    }
    part.append(list ? "[\n" : "{\n");
    entries.forEach(([key, item], index) => {
      part.append(inner);
      if (key !== null) part.append(make("span", { className: "key" }, JSON.stringify(key)), ": ");
      part.append(json(item, link, inner), index < entries.length - 1 ? ",\n" : "\n");
    });
    part.append(`${indent}${list ? "]" : "}"}`);
    return part;
  }
  const text = JSON.stringify(value);
  if (typeof value !== "string") {
    return make("span", { className: typeof value === "number" ? "number" : "literal" }, text);
  }
  const kind = kindOfId(value);
  return kind ? make("a", { href: link(kind, value) }, text) : make("span", { className: "string" }, text);
}
