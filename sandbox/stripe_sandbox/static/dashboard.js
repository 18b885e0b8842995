// The dashboard: one list at a time, the chosen row's payload beside it, looked at again every two seconds.
// The address says what is shown (#payment_intent/pi_...), so it can be linked and the Back button works.
"use strict";

import { Refusal, clockText, codeWord, get, json, make, moneyText, post, put, spanText, stateWord, timeText } from "./dashboard_data.js";
import { delayedSwitch, paymentActions } from "./dashboard_actions.js";
import { faultForm } from "./dashboard_faults.js";

const EVERY = 2000;
const LIMIT = 100;
const byId = (id) => document.getElementById(id);

const GROUPS = [
  ["What happens", [["event", "Events"], ["delivery", "Deliveries"]]],
  ["Payments", [
    ["checkout.session", "Sessions"], ["payment_intent", "Payment intents"], ["charge", "Charges"], ["refund", "Refunds"],
    ["dispute", "Disputes"], ["balance_transaction", "Balance"], ["payment_method", "Payment methods"], ["customer", "Customers"],
  ]],
  ["Catalogue", [
    ["product", "Products"], ["price", "Prices"], ["coupon", "Coupons"], ["promotion_code", "Promotion codes"], ["tax_rate", "Tax rates"],
  ]],
  ["Sandbox", [["webhook_endpoint", "Webhook endpoints"], ["faults", "Faults"]]],
];
const NAMES = Object.fromEntries(GROUPS.flatMap(([, kinds]) => kinds));

// Kinds that /_sandbox/objects doesn't count.
const UNCOUNTED = ["delivery", "faults"];

const state = { kind: "event", id: "", rows: [], found: null, kinds: "", shown: "", detail: "" };

const linkTo = (kind, id) => `#${kind}${id ? `/${encodeURIComponent(id)}` : ""}`;
/** An event's type, which may break after a dot or an underscore. */
const typeCell = (type) => make("span", {}, ...type.split(/(?<=[._])/).flatMap((part) => [part, make("wbr")]));

const account = () => byId("account").value;

/** Session ids have 66 letters: their two ends tell them apart, the whole is in the tooltip and the payload. */
function idCell(id = "") {
  const short = id.length > 34 ? `${id.slice(0, 20)}…${id.slice(-6)}` : id;
  return make("code", { title: id }, short);
}

// -- columns: [heading, cell of a row, class] -----------------------------------------------------------------------

const when = ["Time", (row) => timeText(row.created), "time"];
const what = (object) => object.description || object.name || object.display_name || object.nickname || object.code || "";
const owner = ["Account", (row) => row.account, "extra"];

const COLUMNS = {
  event: [
    when,
    ["Type", (row) => typeCell(row.type)],
    ["Object", (row) => idCell(row.object.data.object.id), "wide extra"],
    ["Answers", (row) => answers(row.deliveries)],
    owner,
  ],
  delivery: [
    when,
    ["Event", (row) => typeCell(row.object.event_type)],
    ["Answers", (row) => answers([row.object])],
    ["State", (row) => stateWord(row.object.status), "extra"],
    ["Endpoint", (row) => row.object.url.replace(/^https?:\/\//, ""), "wide extra"],
    ["", (row) => resendButton(row.object.event)],
  ],
  object: [
    when,
    ["Id", (row) => idCell(row.id)],
    ["State", (row) => stateWord(stateOf(row.object))],
    ["Amount", (row) => amountOf(row.object), "number"],
    ["", (row) => what(row.object), "wide extra"],
    owner,
  ],
};

/** For each delivery the last answer and how many attempts it took; a word where none was made yet. */
function answers(deliveries) {
  return make("span", { className: "codes" }, ...deliveries.flatMap(({ attempts, status }) => {
    if (!attempts.length) return [stateWord(status)];
    return [codeWord(attempts.at(-1)), attempts.length > 1 ? make("span", { className: "times" }, `×${attempts.length}`) : ""];
  }));
}

function stateOf(object) {
  if (object.status) return object.status;
  if (typeof object.active === "boolean") return object.active ? "active" : "inactive";
  if (typeof object.valid === "boolean") return object.valid ? "valid" : "expired";
  return "";
}

function amountOf(object) {
  if (object.percent_off) return `${object.percent_off} %`;
  if (object.object === "tax_rate") return `${object.percentage} %${object.inclusive ? " incl." : ""}`;
  return moneyText(object.amount_total ?? object.amount ?? object.unit_amount ?? object.amount_off, object.currency);
}

// -- actions ----------------------------------------------------------------------------------------------------------

let noticeTimer;

function say(text, good = false) {
  const notice = byId("notice");
  notice.textContent = text;
  notice.className = good ? "notice good" : "notice";
  notice.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { notice.hidden = true; }, 6000);
}

async function act(button, work) {
  if (button) button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error instanceof Refusal ? error.message : "The sandbox didn't answer.");
  } finally {
    if (button) button.disabled = false;
  }
  await look();
}

function resendButton(event) {
  const button = make("button", { type: "button", title: "Send this event again, signed anew" }, "Resend");
  button.addEventListener("click", (click) => {
    click.stopPropagation();
    act(button, async () => {
      const { data } = await post("webhooks/deliver", { event });
      const codes = data.map((delivery) => delivery.attempts.at(-1)?.status ?? "no answer");
      say(codes.length ? `Sent. Answered: ${codes.join(", ")}.` : "No endpoint wants this event.", codes.length > 0);
    });
  });
  return button;
}

function tools() {
  if (state.kind === "checkout.session" || state.kind === "payment_intent") return [delayedSwitch(act)];
  if (state.kind !== "event" && state.kind !== "delivery") return [];
  const all = make("button", { type: "button" }, "Deliver what waits");
  all.addEventListener("click", () => act(all, async () => {
    const { data } = await post("webhooks/deliver");
    say(data.length ? `Sent ${data.length}.` : "Nothing waits.", true);
  }));
  return [all];
}

// -- the list ---------------------------------------------------------------------------------------------------------

function renderKinds(counts) {
  const nav = byId("kinds");
  const text = JSON.stringify([state.kind, counts]);
  if (text === state.kinds) return;
  state.kinds = text;
  nav.replaceChildren(...GROUPS.flatMap(([title, kinds]) => [
    make("p", { className: "group" }, title),
    ...kinds.map(([kind, name]) => {
      const count = counts[kind];
      const classes = count === 0 ? "empty" : "";
      const current = kind === state.kind ? "page" : null;
      return make("a", { href: linkTo(kind), className: classes, "aria-current": current }, name,
        count === undefined ? "" : make("span", { className: "count" }, String(count)));
    }),
  ]));
  // On a phone the kinds are one long row.
  if (nav.scrollWidth > nav.clientWidth) {
    const current = nav.querySelector("[aria-current]");
    nav.scrollLeft = current.offsetLeft - nav.clientWidth / 2 + current.offsetWidth / 2;
  }
}

function renderRows() {
  const columns = COLUMNS[state.kind] || COLUMNS.object;
  const head = make("tr", {}, ...columns.map(([name, , classes]) => make("th", { scope: "col", className: classes || "" }, name)));
  const body = state.rows.map((row) => {
    const cells = columns.map(([, cell, classes], index) => {
      const content = cell(row);
      // One real link in each row, so that the keyboard gets there too.
      const inside = index === 1 ? make("a", { className: "row-open", href: linkTo(state.kind, row.id) }, content) : content;
      return make("td", { className: classes || "" }, inside);
    });
    const line = make("tr", { "aria-selected": String(row.id === state.id) }, ...cells);
    line.addEventListener("click", () => { window.location.hash = linkTo(state.kind, row.id); });
    return line;
  });
  const table = make("table", { className: "rows" }, make("thead", {}, head), make("tbody", {}, ...body));
  byId("rows").replaceChildren(state.rows.length ? table : make("p", { className: "hint" }, "Nothing here yet."));
}

// -- the payload ------------------------------------------------------------------------------------------------------

function actionsFor(row) {
  const { object } = row;
  if (state.kind === "event") return [resendButton(row.id)];
  if (state.kind === "delivery") return [resendButton(object.event), make("a", { href: linkTo("event", object.event) }, "Its event")];
  if (state.kind === "checkout.session") {
    const page = make("a", { href: `c/pay/${encodeURIComponent(row.id)}`, target: "_blank", rel: "noopener" }, "Checkout page ↗");
    return [page, object.payment_intent ? make("a", { href: linkTo("payment_intent", object.payment_intent) }, "Payment intent") : null];
  }
  return paymentActions(state.kind, object, act);
}

function attemptItem(attempt) {
  return make("li", {},
    make("div", { className: "attempt-line" }, codeWord(attempt), make("span", {}, clockText(attempt.at)),
      make("span", {}, `${attempt.duration_ms} ms`), attempt.by_hand ? make("span", {}, "by hand") : "", attempt.error || ""),
    attempt.body ? make("pre", {}, attempt.body) : "");
}

function renderDetail() {
  const row = state.rows.find((row) => row.id === state.id) || (state.found?.id === state.id ? state.found : undefined);
  const text = JSON.stringify([state.kind, state.id, row]);
  if (text === state.detail) return;
  state.detail = text;
  const pane = byId("detail");
  if (!row) {
    const hint = state.id ? "The sandbox has no such object." : "Choose a row to see its payload.";
    pane.replaceChildren(make("p", { className: "hint" }, hint));
    return;
  }
  const head = make("div", { className: "detail-head" },
    make("div", {}, make("h2", {}, row.type || NAMES[state.kind].replace(/s$/, "")), make("p", { className: "id" }, row.id)));
  const parts = [head, make("div", { className: "actions" }, ...actionsFor(row).filter(Boolean))];
  if (state.kind === "delivery") {
    parts.push(make("h3", {}, "Attempts"), make("ul", { className: "attempts" }, ...row.object.attempts.map(attemptItem)), make("h3", {}, "Record"));
  }
  parts.push(make("pre", { className: "json" }, json(row.object, linkTo)));
  pane.replaceChildren(...parts);
  pane.scrollTop = 0;
}

// -- looking ----------------------------------------------------------------------------------------------------------

/** Rows are {id, type, created, account, object}, whatever the list. */
async function fetchRows() {
  const query = { limit: LIMIT, account: account() };
  if (state.kind === "event") {
    const { data } = await get("events", query);
    return data.map(({ account, deliveries, ...object }) => ({ id: object.id, type: object.type, created: object.created, account, deliveries, object }));
  }
  if (state.kind === "delivery") {
    const { data } = await get("deliveries", query);
    return data.map((object) => ({ id: object.id, type: object.event_type, created: object.created, account: object.account, object }));
  }
  const { data } = await (state.kind === "webhook_endpoint" ? get("webhook_endpoints", { limit: LIMIT }) : get("objects", { ...query, type: state.kind }));
  return data.map(({ account, object }) => ({ id: object.id, type: "", created: object.created, account, object }));
}

/** The chosen object where it is older than the list goes back. */
async function fetchChosen(rows) {
  if (!state.id || state.kind === "delivery" || rows.some((row) => row.id === state.id)) return null;
  const { data } = await get("objects", { type: state.kind, id: state.id });
  return data.length ? { id: state.id, type: data[0].object.type || "", account: data[0].account, deliveries: [], object: data[0].object } : null;
}

async function fetchSummary() {
  const [clock, accounts, counts] = await Promise.all([get("clock"), get("accounts"), get("objects")]);
  const byKind = Object.fromEntries(Object.keys(NAMES).filter((kind) => !UNCOUNTED.includes(kind)).map((kind) => [kind, 0]));
  for (const { account: owner, type, count } of counts.data) {
    // "*" owns the endpoints of the command line, which get everybody's events.
    if (type in byKind && (!account() || owner === account() || owner === "*")) byKind[type] += count;
  }
  return { clock, accounts: accounts.data, counts: byKind };
}

function readAddress() {
  const [kind, id] = decodeURIComponent(window.location.hash.slice(1)).split("/");
  const known = kind in NAMES ? kind : "event";
  if (known !== state.kind) state.rows = [];
  Object.assign(state, { kind: known, id: id || "", shown: "" });
}

/** Draw what changed only: a table drawn anew under the mouse would lose the click. */
function draw() {
  const text = JSON.stringify([state.kind, state.id, state.rows]);
  if (text !== state.shown) {
    state.shown = text;
    renderRows();
  }
  renderDetail();
}

async function drawFaults() {
  const [faults, meanings] = await Promise.all([get("faults"), get("faults/help")]);
  const text = "faults" + JSON.stringify(faults);
  if (state.kind !== "faults" || state.shown === text) return;
  state.shown = text;
  const focused = document.activeElement?.id;
  byId("rows").replaceChildren(faultForm(faults, meanings, (change) => act(null, () => put("faults", change))));
  if (focused?.startsWith("fault-")) byId(focused)?.focus();
  byId("detail").replaceChildren(make("pre", { className: "json" }, json(faults, linkTo)));
  state.detail = "";
}

function drawFrame(summary) {
  const { now, offset } = summary.clock;
  byId("clock").textContent = clockText(now) + (offset ? ` (+${spanText(offset)})` : "");
  renderKinds(summary.counts);
  const select = byId("account");
  const names = ["", ...summary.accounts];
  if (names.join() !== [...select.options].map((option) => option.value).join()) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => make("option", { value: name }, name || "all")));
    select.value = names.includes(chosen) ? chosen : "";
  }
}

let looking = null;

/** One look at a time: a slow answer must not overwrite a newer one. */
function look() {
  looking = (looking || Promise.resolve()).then(lookOnce);
  return looking;
}

async function lookOnce() {
  const live = byId("live");
  try {
    const asked = state.kind;
    drawFrame(await fetchSummary());
    if (asked === "faults") {
      await drawFaults();
    } else {
      const rows = await fetchRows();
      const found = await fetchChosen(rows);
      if (asked !== state.kind) return;
      Object.assign(state, { rows, found });
      draw();
    }
    live.textContent = "live";
    live.className = "live on";
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof TypeError)) throw error;
    live.textContent = "not answering";
    live.className = "live off";
  }
}

function show() {
  const before = state.kind;
  readAddress();
  byId("title").textContent = NAMES[state.kind];
  byId("tools").replaceChildren(...tools());
  if (before !== state.kind) {
    byId("rows").replaceChildren();
    byId("detail").scrollTop = 0;
    state.detail = "";
  } else if (state.kind !== "faults") {
    draw();
    // On a phone the payload lies below the list.
    if (state.id && window.matchMedia("(max-width: 959px)").matches) byId("detail").scrollIntoView({ block: "start" });
  }
  look();
}

window.addEventListener("hashchange", show);
byId("account").addEventListener("change", look);
document.querySelectorAll("[data-advance]").forEach((button) => button.addEventListener("click", () => act(button, async () => {
  await post("clock/advance", { seconds: Number(button.dataset.advance) });
})));
byId("reset").addEventListener("click", (click) => {
  if (!window.confirm("Forget every object, event and delivery of this sandbox?")) return;
  act(click.target, () => post("reset"));
});
setInterval(() => { if (!document.hidden) look(); }, EVERY);
show();
