// The switches for faults: one control for each setting that the sandbox serves, by the shape of its value.
"use strict";

import { make } from "./dashboard_data.js";

const GROUPS = [
  ["API calls", (name) => !name.startsWith("webhook") && name !== "rounding" && name !== "seed"],
  ["Webhooks", (name) => name.startsWith("webhook")],
  ["Arithmetic and dice", (name) => name === "rounding" || name === "seed"],
];

const isRate = (name) => name.endsWith("_rate");

function rateControl(id, value, send) {
  const range = make("input", { type: "range", id, min: "0", max: "1", step: "0.05" });
  range.value = String(value);
  const output = make("output", {}, `${Math.round(value * 100)} %`);
  range.addEventListener("input", () => { output.textContent = `${Math.round(range.value * 100)} %`; });
  range.addEventListener("change", () => send(Number(range.value)));
  return [range, output];
}

function flagControl(id, value, send) {
  const box = make("input", { type: "checkbox", id });
  box.checked = value;
  box.addEventListener("change", () => send(box.checked));
  return [box];
}

function choiceControl(id, value, choices, send) {
  const select = make("select", { id }, ...choices.map((choice) => make("option", { value: choice }, choice)));
  select.value = value;
  select.addEventListener("change", () => send(select.value));
  return [select];
}

/** Numbers, spans, filters and queues are typed as JSON: they have too many shapes for a switch. */
function jsonControl(id, value, send) {
  const field = make("input", { type: "text", id, spellcheck: false, autocomplete: "off" });
  field.value = JSON.stringify(value);
  field.addEventListener("change", () => {
    try {
      const typed = JSON.parse(field.value);
      field.setCustomValidity("");
      send(typed);
    } catch {
      field.setCustomValidity("This isn't JSON.");
      field.reportValidity();
    }
  });
  return [field];
}

function control(name, value, send) {
  const id = `fault-${name}`;
  if (isRate(name)) return rateControl(id, value, send);
  if (name === "rounding") return choiceControl(id, value, ["half_up", "half_even", "total"], send);
  if (["webhooks_paused", "other_account", "keep_errors"].includes(name)) return flagControl(id, value, send);
  return jsonControl(id, value, send);
}

/** The whole form: `values` and what they mean, as /_sandbox/faults and /_sandbox/faults/help serve them. */
export function faultForm(values, meanings, change) {
  const form = make("form", { className: "fault-form" });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const [title, belongs] of GROUPS) {
    const names = Object.keys(values).filter(belongs);
    const rows = [...names.filter(isRate), ...names.filter((name) => !isRate(name))].map((name) => {
      const send = (value) => change({ [name]: value });
      const row = make("div", { className: "fault" },
        make("div", {}, make("label", { htmlFor: `fault-${name}` }, name), make("p", {}, meanings[name] || "")),
        make("div", { className: "control" }, ...control(name, values[name], send)));
      row.classList.toggle("changed", isOn(values[name], name));
      return row;
    });
    form.append(make("p", { className: "fault-group" }, title), make("div", { className: "faults" }, ...rows));
  }
  return form;
}

/** A fault is on where its value isn't nothing; timings and rounding are settings, on only when not Stripe's own. */
function isOn(value, name) {
  if (name === "rounding") return value !== "half_up";
  if (name === "webhook_retry_seconds" || name === "webhook_timeout_seconds") return false;
  return Array.isArray(value) ? value.some(Boolean) : Boolean(value);
}
