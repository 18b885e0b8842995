// Checkout in a frame of the shop's page: how high it is, and that it is over. The shop's Stripe.js
// listens (static/embedded_checkout.js).
"use strict";

(function () {
  const tell = (type, data) => window.parent.postMessage({ type, data }, "*");
  const main = document.querySelector("main");
  const height = () => tell("resize", { height: Math.ceil(document.documentElement.getBoundingClientRect().height) });
  new ResizeObserver(height).observe(document.body);
  height();
  const status = main.dataset.sessionStatus;
  if (status === "complete") tell("complete", { back: main.dataset.back || "" });
  else tell("ready", {});
})();
