// The running total of the shop window. Without this script the quantities are typed and Order posts them.
"use strict";

let form, soFar;
const language = document.documentElement.lang;
// As kopeck/web/context.py: the page's language, in the browser's own variety of it.
const locale = navigator.languages.find((one) => one.split("-")[0] === language) ?? language;
const plural = new Intl.PluralRules(language);

// "48.20" of 4820 with two digits, as a string: an amount of money never becomes a binary fraction.
function money(amount, { currency, digits, shown }) {
  const format = { style: "currency", currency, minimumFractionDigits: shown, maximumFractionDigits: shown };
  return new Intl.NumberFormat(locale, format).format(`${amount}e-${digits}`);
}

function count(n) {
  const fitting = [1, 2, 5].find((sample) => plural.select(sample) === plural.select(n)) ?? 5;
  return soFar.dataset[`count-${fitting}`].replace(fitting, n);
}

function row(tag, label, amount) {
  const element = document.createElement(tag);
  const [left, right] = [document.createElement("span"), document.createElement("b")];
  left.textContent = label;
  right.textContent = amount;
  element.append(left, " ", right);
  return element;
}

// The lines that are wanted, an array for each currency.
function read() {
  const picked = [...form.querySelectorAll("input[data-price]")]
    .map((input) => ({ ...input.dataset, quantity: input.validity.valid ? Number(input.value) : 0 }))
    .filter((line) => line.quantity > 0);
  const orders = new Map();
  for (const line of picked) orders.set(line.currency, [...(orders.get(line.currency) ?? []), line]);
  return [...orders.values()];
}

function show() {
  const orders = read();
  const button = soFar.querySelector("[type=submit]:not([name])");
  // An open order's total stands on the button, and nowhere else, until something is changed.
  const unchanged = button.dataset.changed && !Object.keys(chosen()).length;
  const single = unchanged && orders.length === 1;
  soFar.dataset.empty = orders.length ? "no" : "yes";
  soFar.querySelector(".picked").replaceChildren(
    ...orders.flat().map((line) => row("li", `${line.quantity} × ${line.name}`, money(line.price * line.quantity, line)))
  );
  soFar.querySelector(".amounts").replaceChildren(
    ...orders.map((lines) => {
      const quantity = lines.reduce((sum, line) => sum + line.quantity, 0);
      const amount = lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
      return row("p", count(quantity), single ? "" : money(amount, lines[0]));
    })
  );
  const currencies = orders.map(([line]) => line.currency.toUpperCase());
  soFar.querySelector(".separately").hidden = orders.length < 2;
  soFar.querySelector("[data-currencies]").textContent = currencies.join(", ");
  button.disabled = !orders.length;
  if (!button.dataset.changed) return;
  button.dataset.unchanged ??= button.textContent;
  button.textContent = unchanged ? button.dataset.unchanged : button.dataset.changed;
}

// What was chosen goes along to the window's other pages, in this tab, until it is ordered.
const CHOSEN = "kopeck-chosen";

function chosen() {
  try {
    return JSON.parse(sessionStorage.getItem(CHOSEN)) ?? {};
  } catch {
    return {}; // storage is shut: the page works for itself
  }
}

function store(lines) {
  try {
    sessionStorage.setItem(CHOSEN, JSON.stringify(lines));
  } catch {}
}

function remember() {
  const lines = chosen();
  for (const { name, value, defaultValue, dataset } of form.querySelectorAll("input[type=number]")) {
    if (value === defaultValue) delete lines[name];
    else lines[name] = { ...dataset, value };
  }
  store(lines);
}

function recall() {
  for (const [name, { value, ...facts }] of Object.entries(chosen())) {
    let input = form.elements[name];
    if (!input) {
      input = Object.assign(document.createElement("input"), { type: "hidden", name });
      Object.assign(input.dataset, facts);
      form.append(input);
    }
    input.value = value;
  }
}

// "Add" till there is one. Where the focus was on a button that goes, it moves to the one that comes.
function settle(pick) {
  const before = pick.dataset.picked;
  const picked = Number(pick.querySelector("input").value) > 0 ? "yes" : "no";
  const focused = pick.contains(document.activeElement);
  pick.dataset.picked = picked;
  if (focused && before && before !== picked) {
    pick.querySelector(picked === "yes" ? ".stepper [data-step='1']" : "[data-add]").focus();
  }
}

function all() {
  recall();
  form.querySelectorAll(".pick").forEach(settle);
  show();
}

function begin() {
  form = document.querySelector("[data-order]");
  soFar = document.querySelector("[data-so-far]");
  if (!form) return;
  form.querySelector("[data-before]")?.setAttribute("hidden", ""); // own.js shows it here
  // While somebody types, the field stays even when it is empty for a moment.
  form.addEventListener("input", () => {
    remember();
    show();
  });
  form.addEventListener("change", (event) => {
    settle(event.target.closest(".pick"));
    remember();
    show();
  });
  form.addEventListener("submit", () => store({}));
  all();
}

begin();
addEventListener("own", begin);
// Back from the order: some browsers fill in what was typed before.
addEventListener("pageshow", () => form && all());
