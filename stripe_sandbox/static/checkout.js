// Checkout with JavaScript on: formats the card, fills it from a chip, pays without leaving the page.
// Everything here is a comfort: with JavaScript off the same form posts and the server answers in HTML.
"use strict";

(function () {
  const form = document.querySelector("form.pay");
  const button = form.querySelector("button[type=submit]");
  const buttonText = button.querySelector(".submit-text");
  const payText = buttonText.textContent;
  const input = (name) => form.elements.namedItem(name);
  const number = input("cardNumber");
  const expiry = input("cardExpiry");
  const cvc = input("cardCvc");

  const BRANDS = [
    [/^4/, "Visa"], [/^(5[1-5]|2[2-7])/, "Mastercard"], [/^3[47]/, "Amex"],
    [/^(6011|65|64[4-9])/, "Discover"], [/^35/, "JCB"], [/^3(0|6|8)/, "Diners"], [/^62/, "UnionPay"],
  ];

  function formatNumber(digits) {
    if (/^3[47]/.test(digits)) {
      return [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10, 15)].filter(Boolean).join(" ");
    }
    return digits.slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 ");
  }

  function formatExpiry(text, deleting) {
    let digits = text.replace(/\D/g, "");
    // "7" can only be July; "20" can't be a month, so the 2 was February.
    if (/^[2-9]/.test(digits)) digits = "0" + digits;
    digits = digits.slice(0, 4);
    if (digits.length < 2 || (digits.length === 2 && deleting)) return digits;
    return digits.slice(0, 2) + " / " + digits.slice(2);
  }

  // Formatting while typing must leave the caret after the digit that was typed, also in the middle.
  function reformat(field, format) {
    const caret = field.value.slice(0, field.selectionStart).replace(/\D/g, "").length;
    const text = format(field.value.replace(/\D/g, ""));
    const atEnd = field.selectionStart === field.value.length;
    field.value = text;
    if (atEnd) return;
    let place = 0;
    for (let seen = 0; place < text.length && seen < caret; place++) if (/\d/.test(text[place])) seen++;
    field.setSelectionRange(place, place);
  }

  function showBrand() {
    const digits = number.value.replace(/\D/g, "");
    const brand = BRANDS.find(([pattern]) => pattern.test(digits));
    document.getElementById("card-brand").textContent = brand ? brand[1] : "";
  }

  function clearError(name) {
    const error = document.getElementById(name + "-error");
    if (error) error.remove();
    const field = input(name);
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }

  function showError(name, message) {
    const field = input(name);
    clearError(name);
    const error = document.createElement("p");
    error.className = "error";
    error.id = name + "-error";
    error.dataset.for = name;
    error.setAttribute("role", "alert");
    error.textContent = message;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", error.id);
    if (name.startsWith("card")) document.getElementById("card-errors").append(error);
    else field.closest(".field").append(error);
  }

  function showBanner(message) {
    const error = document.createElement("p");
    error.className = "error banner";
    error.setAttribute("role", "alert");
    error.textContent = message;
    form.prepend(error);
  }

  function clearErrors() {
    for (const error of form.querySelectorAll("[data-for]")) clearError(error.dataset.for);
    for (const banner of form.querySelectorAll(".banner")) banner.remove();
  }

  function setBusy(busy) {
    button.disabled = busy;
    buttonText.textContent = busy ? button.dataset.busy : payText;
    button.querySelector(".spinner")?.remove();
    if (!busy) return;
    const spinner = document.createElement("span");
    spinner.className = "spinner";
    button.prepend(spinner);
  }

  function leaveFor(address, paid) {
    if (paid) {
      button.querySelector(".spinner")?.remove();
      button.classList.add("done");
      buttonText.textContent = "✓ Paid";
    }
    window.location.assign(address);
  }

  async function pay(event) {
    event.preventDefault();
    if (button.disabled) return;
    const body = new URLSearchParams(new FormData(form));
    clearErrors();
    setBusy(true);
    let answer;
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      answer = await response.json();
    } catch {
      setBusy(false);
      showBanner("The connection to the sandbox broke. Press the button again: a session is never paid twice.");
      return;
    }
    if (answer.redirect) {
      leaveFor(answer.redirect, answer.paid);
      return;
    }
    setBusy(false);
    const names = Object.keys(answer.errors || {});
    names.forEach((name) => showError(name, answer.errors[name]));
    if (names.length) input(names[0]).focus();
  }

  function fill(chip) {
    number.value = formatNumber(chip.dataset.number);
    expiry.value = chip.dataset.expiry;
    cvc.value = chip.dataset.cvc;
    for (const name of ["cardNumber", "cardExpiry", "cardCvc"]) clearError(name);
    for (const other of document.querySelectorAll(".chip")) other.removeAttribute("aria-current");
    chip.setAttribute("aria-current", "true");
    showBrand();
    const empty = ["email", "billingName"].map(input).find((field) => !field.value);
    (empty || button).focus();
  }

  form.addEventListener("submit", pay);
  form.addEventListener("input", (event) => clearError(event.target.name));
  if (number) {
    number.addEventListener("input", () => { reformat(number, formatNumber); showBrand(); });
    expiry.addEventListener("input", (event) => {
      const deleting = (event.inputType || "").startsWith("delete");
      reformat(expiry, (digits) => formatExpiry(digits, deleting));
    });
    cvc.addEventListener("input", () => { cvc.value = cvc.value.replace(/\D/g, "").slice(0, 4); });
    document.querySelectorAll(".chip").forEach((chip) => chip.addEventListener("click", (event) => {
      event.preventDefault();
      fill(chip);
    }));
    number.value = formatNumber(number.value.replace(/\D/g, ""));
    showBrand();
  }
  // Coming back with the browser's Back button may show this page from memory, with the button still busy.
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
})();
