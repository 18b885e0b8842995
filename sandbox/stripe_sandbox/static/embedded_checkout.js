// Embedded Checkout of the sandbox's Stripe.js: the hosted page in a frame of the shop's. Sent behind payments.js.
(function () {
  "use strict";

  const here = window.Stripe && window.Stripe._sandbox;
  if (!here || !here.Frame || here.embedding) return;
  here.embedding = true;

  const { base, IntegrationError, Frame } = here;
  const SECRET = /^(cs_test_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/;

  class EmbeddedCheckout {
    constructor(id, onComplete) {
      this._id = id;
      this._onComplete = onComplete;
      this._frame = null;
      this._destroyed = false;
    }

    mount(place) {
      if (this._destroyed) throw IntegrationError("This Embedded Checkout has been destroyed.");
      const node = typeof place === "string" ? document.querySelector(place) : place;
      if (!(node instanceof Element)) throw IntegrationError(`Embedded Checkout: mount() needs a DOM element or a selector of one. You specified: ${place}.`);
      this.unmount();
      this._frame = new Frame(`/c/pay/${this._id}`, (type, data) => this._hear(type, data));
      this._frame.node.title = "Checkout";
      node.replaceChildren(this._frame.node);
    }

    unmount() {
      this._frame?.remove();
      this._frame = null;
    }

    destroy() {
      this.unmount();
      this._destroyed = true;
      here.embedded = null;
    }

    _hear(type, data) {
      if (type !== "complete") return;
      if (data.back) window.location.assign(data.back);
      else this._onComplete?.();
    }
  }

  async function begin(stripe, options, name) {
    if (here.embedded) throw IntegrationError("You cannot have multiple Embedded Checkout objects.");
    const { clientSecret, fetchClientSecret, onComplete } = options || {};
    if (clientSecret === undefined && typeof fetchClientSecret !== "function") {
      throw IntegrationError(`Missing value for ${name}: pass a clientSecret or fetchClientSecret, a function.`);
    }
    const secret = clientSecret === undefined ? await fetchClientSecret() : clientSecret;
    const match = typeof secret === "string" ? SECRET.exec(secret) : null;
    if (!match) throw IntegrationError(`Invalid value for ${name}: the client secret should be one of a Checkout Session with an embedded ui_mode.`);
    const query = new URLSearchParams({ key: stripe._apiKey, secret });
    const answer = await (await fetch(`${base}/c/lookup/${match[1]}?${query}`, { credentials: "omit", cache: "no-store" })).json();
    if (answer.error) throw IntegrationError(answer.error.message);
    here.embedded = new EmbeddedCheckout(match[1], onComplete);
    return here.embedded;
  }

  for (const name of ["initEmbeddedCheckout", "createEmbeddedCheckoutPage"]) {
    window.Stripe.prototype[name] = function (options) { return begin(this, options, `stripe.${name}()`); };
  }
})();
