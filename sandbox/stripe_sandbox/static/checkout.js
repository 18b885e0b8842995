// Checkout with JavaScript on: formats the card, fills it from a chip, pays without leaving the page.
// Everything here is a comfort: with JavaScript off the same form posts and the server answers in HTML.
"use strict";

import { brandOf, formatExpiry, formatNumber, reformat } from "./card_inputs.js";

(function () {
  const form = document.querySelector("form.pay");
  const button = form.querySelector("button[type=submit]");
  const buttonText = button.querySelector(".submit-text");
  const payText = buttonText.textContent;
  const input = (name) => form.elements.namedItem(name);
  const number = input("cardNumber");
  const expiry = input("cardExpiry");
  const cvc = input("cardCvc");

  function showBrand() {
    document.getElementById("card-brand").textContent = brandOf(number.value);
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

  function fillDebit(chip) {
    input("iban").value = chip.dataset.iban;
    clearError("iban");
    markChip(chip);
  }

  function markChip(chip) {
    for (const other of document.querySelectorAll(".chip")) other.removeAttribute("aria-current");
    chip.setAttribute("aria-current", "true");
    const empty = ["email", "billingName"].map(input).find((field) => !field.value);
    (empty || button).focus();
  }

  function fill(chip) {
    number.value = formatNumber(chip.dataset.number);
    expiry.value = chip.dataset.expiry;
    cvc.value = chip.dataset.cvc;
    for (const name of ["cardNumber", "cardExpiry", "cardCvc"]) clearError(name);
    showBrand();
    markChip(chip);
  }

  form.addEventListener("submit", pay);
  form.addEventListener("input", (event) => { if (event.target.name !== "method") clearError(event.target.name); });
  document.querySelectorAll(".chip[data-iban]").forEach((chip) => chip.addEventListener("click", (event) => {
    event.preventDefault();
    fillDebit(chip);
  }));
  if (number) {
    number.addEventListener("input", () => { reformat(number, formatNumber); showBrand(); });
    expiry.addEventListener("input", (event) => {
      const deleting = (event.inputType || "").startsWith("delete");
      reformat(expiry, (digits) => formatExpiry(digits, deleting));
    });
    cvc.addEventListener("input", () => { cvc.value = cvc.value.replace(/\D/g, "").slice(0, 4); });
    document.querySelectorAll(".chip[data-number]").forEach((chip) => chip.addEventListener("click", (event) => {
      event.preventDefault();
      fill(chip);
    }));
    number.value = formatNumber(number.value.replace(/\D/g, ""));
    showBrand();
  }
  // Coming back with the browser's Back button may show this page from memory, with the button still busy.
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
})();
