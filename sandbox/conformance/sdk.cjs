// The steps of steps.json through one release of npm's `stripe`: node sdk.cjs FOLDER URL KEY [VERSION].
// VERSION is that of the API; without one the library's own is spoken. It prints a JSON object a step.
"use strict";

const path = require("node:path");

const [folder, url, key, version] = process.argv.slice(2);
const found = require(path.join(folder, "node_modules", "stripe"));
const Stripe = found.default || found.Stripe || found;
const { hostname, port } = new URL(url);
const options = { host: hostname, port: Number(port), protocol: "http", maxNetworkRetries: 0, telemetry: false };
if (version) options.apiVersion = version;
const stripe = new Stripe(key, options);

const walk = (value, names) => names.split(".").reduce((inner, name) => inner[name], value);

function filled(value, saved) {
  if (Array.isArray(value)) return value.map((item) => filled(item, saved));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, saved)]));
  if (typeof value !== "string" || !value.startsWith("$")) return value;
  const [name, ...rest] = value.slice(1).split(".");
  return walk(saved[name], rest.join("."));
}

async function tried(step, saved) {
  const names = step.node.split(".");
  const last = names.pop();
  const owner = names.reduce((inner, name) => inner && inner[name], stripe);
  // `delete` is a word of the language: older releases call it del.
  const name = owner && !owner[last] && last === "del" ? "delete" : last;
  if (!owner || typeof owner[name] !== "function") return "absent";
  const wanted = step.error;
  let answer;
  try {
    const ids = filled(step.ids || [], saved);
    const params = step.params ? [filled(step.params, saved)] : [];
    answer = await owner[name](...ids, ...params);
  } catch (error) {
    if (wanted && error.statusCode === wanted.status && error.code === wanted.code) return "";
    return `${error.type || error.name}: ${error.message}`;
  }
  if (wanted) return `succeeded, though ${wanted.code} was to come`;
  if (step.save) saved[step.save] = answer;
  for (const [names, value] of Object.entries(step.expect || {})) {
    let given;
    try {
      given = walk(answer, names);
    } catch (error) {
      return `${names} is missing (${error.message})`;
    }
    if (given !== filled(value, saved)) return `${names} is ${JSON.stringify(given)}`;
  }
  return "";
}

(async () => {
  const saved = {};
  for (const step of require("./steps.json")) {
    console.log(JSON.stringify({ endpoint: step.endpoint, wrong: await tried(step, saved) }));
  }
})();
