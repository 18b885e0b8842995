// What the Payment Element's inputs must hold, in the words and codes of Stripe's own validation errors.
"use strict";

import { say } from "./element_frame.js";

export const FIELDS = { card: ["number", "expiry", "cvc"], sepa_debit: ["iban", "name", "email"] };
const BRAND_LENGTHS = [[/^3[47]/, 15], [/^3(0|6|8)/, 14]];

const digitsOf = (text) => text.replace(/\D/g, "");

function luhn(digits) {
  const sum = [...digits].reverse().reduce((total, digit, place) => {
    const value = Number(digit) * (place % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function numberProblem(digits) {
  const length = (BRAND_LENGTHS.find(([start]) => start.test(digits)) || [null, 16])[1];
  if (digits.length < length) return { code: "incomplete_number", message: say("Your card number is incomplete.") };
  if (!luhn(digits)) return { code: "invalid_number", message: say("Your card number is invalid.") };
  return null;
}

function expiryProblem(digits, today) {
  const month = Number(digits.slice(0, 2));
  if (digits.length < 4 || month < 1 || month > 12) {
    return { code: "incomplete_expiry", message: say("Your card's expiration date is incomplete.") };
  }
  const year = 2000 + Number(digits.slice(2, 4));
  if (year < today.getUTCFullYear()) {
    return { code: "invalid_expiry_year_past", message: say("Your card's expiration year is in the past.") };
  }
  if (year === today.getUTCFullYear() && month < today.getUTCMonth() + 1) {
    return { code: "invalid_expiry_month_past", message: say("Your card's expiration date is in the past.") };
  }
  return null;
}

function cvcProblem(digits, number) {
  const needed = /^3[47]/.test(number) ? 4 : 3;
  return digits.length < needed ? { code: "incomplete_cvc", message: say("Your card's security code is incomplete.") } : null;
}

/** An IBAN read as a number, its first four signs at the end (A is 10), leaves 1 when divided by 97. */
function ibanProblem(text) {
  const iban = text.replace(/\s/g, "").toUpperCase();
  if (iban.length < 15) return { code: "incomplete_iban", message: say("Your IBAN is incomplete.") };
  const good = /^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(iban);
  const read = [...iban.slice(4) + iban.slice(0, 4)].map((sign) => parseInt(sign, 36)).join("");
  if (!good || BigInt(read) % 97n !== 1n) return { code: "invalid_iban", message: say("The IBAN you entered is invalid.") };
  return null;
}

const nameProblem = (text) => (text.trim() ? null : { code: "incomplete_name", message: say("Your name is incomplete.") });
const emailProblem = (text) => (/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text.trim()) ? null : { code: "incomplete_email", message: say("Your email is incomplete.") });

function problemsOf(method, typed, today) {
  if (method === "sepa_debit") {
    return { iban: ibanProblem(typed.iban), name: nameProblem(typed.name), email: emailProblem(typed.email) };
  }
  const digits = digitsOf(typed.number);
  return { number: numberProblem(digits), expiry: expiryProblem(digitsOf(typed.expiry), today), cvc: cvcProblem(digitsOf(typed.cvc), digits) };
}

/** {number: {code, message}, ...}: only the method's inputs that aren't right yet. */
export function missing(method, typed, today) {
  const problems = problemsOf(method, typed, today);
  return Object.fromEntries(Object.entries(problems).filter(([, problem]) => problem));
}

/** The API's parameters of a PaymentMethod of what was typed. */
export function methodOf(method, { number, expiry, cvc, iban, name, email }, billing) {
  if (method === "sepa_debit") {
    return { type: method, sepa_debit: { iban: iban.replace(/\s/g, "") }, billing_details: { ...billing, name: name.trim(), email: email.trim() } };
  }
  const date = digitsOf(expiry);
  const card = { number: digitsOf(number), exp_month: Number(date.slice(0, 2)), exp_year: 2000 + Number(date.slice(2, 4)), cvc };
  return { type: method, card, billing_details: billing };
}
