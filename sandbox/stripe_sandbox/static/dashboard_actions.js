// What can be done to a payment from outside the shop: Stripe's Dashboard gives refunds, the buyer's bank does the rest.
// Each button is one call to /_sandbox/; `act` runs it and says what went wrong.
"use strict";

import { Refusal, get, make, moneyText, post, put } from "./dashboard_data.js";

function button(text, act, work, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", () => act(node, work));
  return node;
}

const settleButtons = (path, act) => ["succeeded", "failed"].map((outcome) => button(
  outcome === "succeeded" ? "The money comes" : "The money doesn't come", act, () => post(`${path}/settle`, { outcome }),
));

function refundForm(charge, act) {
  const left = charge.amount_captured - charge.amount_refunded;
  const label = `Amount in minor units; all ${moneyText(left, charge.currency)} if empty`;
  const amount = make("input", { type: "text", inputMode: "numeric", placeholder: String(left), title: label, ariaLabel: label, className: "amount" });
  const refund = () => {
    const text = amount.value.trim();
    if (text && !/^\d+$/.test(text)) throw new Refusal("The amount is a whole number of minor units, such as 1250 for 12.50.");
    return post(`charges/${charge.id}/refund`, text ? { amount: Number(text) } : {});
  };
  return [amount, button("Refund", act, refund)];
}

function chargeActions(charge, act) {
  if (charge.status === "pending") return settleButtons(`intents/${charge.payment_intent}`, act);
  if (charge.status !== "succeeded" || !charge.captured || charge.refunded) return [];
  const actions = refundForm(charge, act);
  if (!charge.disputed && charge.payment_method_details.type === "card") {
    const reason = make("select", { ariaLabel: "Reason of the dispute" },
      ...["fraudulent", "product_not_received", "duplicate", "inquiry"].map((value) => make("option", { value }, value.replaceAll("_", " "))));
    actions.push(reason, button("Dispute", act, () => post(`charges/${charge.id}/dispute`, { reason: reason.value }), { className: "danger" }));
  }
  return actions;
}

function disputeActions(dispute, act) {
  if (["won", "lost", "warning_closed"].includes(dispute.status)) return [];
  const end = (text, status) => button(text, act, () => post(`disputes/${dispute.id}/close`, { status }));
  return dispute.status.startsWith("warning_") ? [end("End the inquiry", "won")] : [end("Won", "won"), end("Lost", "lost")];
}

/** The buttons for an object of `kind`. */
export function paymentActions(kind, object, act) {
  if (kind === "charge") return chargeActions(object, act);
  if (kind === "dispute") return disputeActions(object, act);
  if (kind === "payment_intent" && object.status === "processing") return settleButtons(`intents/${object.id}`, act);
  return [];
}

/** The account's switch for delayed payments, which are off by default. */
export function delayedSwitch(act) {
  const box = make("input", { type: "checkbox" });
  get("settings").then((settings) => { box.checked = settings.delayed_methods; }, () => {});
  box.addEventListener("change", () => act(box, () => put("settings", { delayed_methods: box.checked })));
  return make("label", { title: "Offer SEPA Direct Debit for euros" }, box, "Delayed payments");
}
