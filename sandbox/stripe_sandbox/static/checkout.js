// Checkout with JavaScript on: formats the card, fills it from a chip, pays without leaving the page.
// Everything here is a comfort: with JavaScript off the same form posts and the server answers in HTML.
"use strict";

import { brandOf, formatExpiry, formatNumber, reformat } from "./card_inputs.js";

(function () {
  const form = document.querySelector("form.pay");
  const button = form.querySelector("button[type=submit]");
  const buttonText = button.querySelector(".submit-text");
  let payText = buttonText.textContent;
  const input = (name) => {
    const found = form.elements.namedItem(name);
    return found instanceof RadioNodeList ? found[0] : found;
  };
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
    else field.closest(".field, .methods").append(error); // a box of consent is in a field too
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
      buttonText.textContent = button.dataset.done;
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
    const places = [...form.elements].map((field) => field.name);
    const names = Object.keys(answer.errors || {}).sort((one, other) => places.indexOf(one) - places.indexOf(other));
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
    // A chip fills the whole form: what is left empty gets the example that the page brings.
    for (const field of form.querySelectorAll("[data-sample]")) {
      if (field.type === "checkbox") field.checked = true;
      else if (field.value || !field.dataset.sample) continue;
      else field.value = field.dataset.sample;
      clearError(field.name);
      if (/Country$/.test(field.name)) countPlace(field);
    }
    button.focus();
  }

  function fill(chip) {
    number.value = formatNumber(chip.dataset.number);
    expiry.value = chip.dataset.expiry;
    cvc.value = chip.dataset.cvc;
    for (const name of ["cardNumber", "cardExpiry", "cardCvc"]) clearError(name);
    showBrand();
    markChip(chip);
  }

  // A code, a quantity, a country or a way of shipping changes the sums alone: what was typed about the card and the buyer stays.
  async function ask(address, sent) {
    const options = { method: "POST", body: sent, headers: { Accept: "application/json" } };
    const answer = await (await fetch(address, options)).json();
    const here = new URL(window.location.href);
    const { promotionCode: wrong, quantity: wrongQuantity } = answer.errors || {};
    here.search = new URLSearchParams({ ...(wrong && { wrong }), ...(wrongQuantity && { wrongQuantity }) });
    const page = new DOMParser().parseFromString(await (await fetch(here)).text(), "text/html");
    if (!page.querySelector("form.pay") || !page.querySelector(".card-box") !== !number) {
      window.location.assign(window.location.pathname); // nothing is due any more, or it is over
      return;
    }
    document.querySelector(".what").replaceWith(page.querySelector(".what"));
    payText = page.querySelector(".submit-text").textContent;
    buttonText.textContent = payText;
    listenForChanges();
  }

  async function count(address, sent) {
    button.disabled = true; // until the page shows what is paid
    await ask(address, sent);
    button.disabled = false;
  }

  // The tax that waits for a country counts once there is one.
  async function countPlace(field) {
    if (!form.dataset.place || !field.value || (field.name === "billingCountry" && input("shippingCountry"))) return;
    const address = form.dataset.place;
    delete form.dataset.place;
    await count(address, new URLSearchParams({ country: field.value }));
  }

  function listenForChanges() {
    for (const small of document.querySelectorAll("form.promotion, form.quantity")) {
      small.addEventListener("submit", async (event) => {
        event.preventDefault();
        const { name, value } = event.submitter || {};
        const line = small.querySelector("[name=line]")?.value;
        await count(small.action, new URLSearchParams(new FormData(small, event.submitter)));
        // The sums were drawn anew: the keyboard's focus goes back where it was.
        if (!line) return;
        const again = [...document.querySelectorAll("form.quantity")].find((one) => one.elements.line.value === line);
        const same = name === "step" ? again?.querySelector(`[name=step][value="${value}"]:enabled`) : null;
        (same || again?.elements.quantity)?.focus();
      });
      small.querySelector("[name=quantity]")?.addEventListener("change", () => small.requestSubmit());
    }
  }

  form.querySelector("[data-ship]")?.addEventListener("change", (event) => {
    count(event.currentTarget.dataset.ship, new URLSearchParams({ shippingRate: event.target.value }));
  });
  form.addEventListener("change", ({ target }) => { if (/Country$/.test(target.name)) countPlace(target); });
  listenForChanges();
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
