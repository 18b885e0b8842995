// Inputs for a card, on the hosted page and in the Payment Element: how numbers and dates are written while typing.
"use strict";

const BRANDS = [
  [/^4/, "Visa"], [/^(5[1-5]|2[2-7])/, "Mastercard"], [/^3[47]/, "Amex"],
  [/^(6011|65|64[4-9])/, "Discover"], [/^35/, "JCB"], [/^3(0|6|8)/, "Diners"], [/^62/, "UnionPay"],
];

export function formatNumber(digits) {
  if (/^3[47]/.test(digits)) {
    return [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10, 15)].filter(Boolean).join(" ");
  }
  return digits.slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 ");
}

export function formatExpiry(text, deleting) {
  let digits = text.replace(/\D/g, "");
  // "7" can only be July; "20" can't be a month, so the 2 was February.
  if (/^[2-9]/.test(digits)) digits = "0" + digits;
  digits = digits.slice(0, 4);
  if (digits.length < 2 || (digits.length === 2 && deleting)) return digits;
  return digits.slice(0, 2) + " / " + digits.slice(2);
}

// Formatting while typing must leave the caret after the digit that was typed, also in the middle.
export function reformat(field, format) {
  const caret = field.value.slice(0, field.selectionStart).replace(/\D/g, "").length;
  const text = format(field.value.replace(/\D/g, ""));
  const atEnd = field.selectionStart === field.value.length;
  field.value = text;
  if (atEnd) return;
  let place = 0;
  for (let seen = 0; place < text.length && seen < caret; place++) if (/\d/.test(text[place])) seen++;
  field.setSelectionRange(place, place);
}

/** The brand's name by the leading digits; "" while they tell nothing. */
export function brandOf(text) {
  const digits = text.replace(/\D/g, "");
  const brand = BRANDS.find(([pattern]) => pattern.test(digits));
  return brand ? brand[1] : "";
}
