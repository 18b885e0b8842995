// Paying with the sandbox's Stripe.js: confirmPayment, confirmCardPayment, handleNextAction, retrievePaymentIntent.
// What goes wrong for the buyer resolves as {error}, shaped as Stripe's; what the page does wrong throws.
// Sent behind elements.js.
(function () {
  "use strict";

  const here = window.Stripe && window.Stripe._sandbox;
  if (!here || !here.Elements || here.paying) return;
  here.paying = true;

  const { origin, IntegrationError, Elements, readSecret } = here;
  const PAID = ["succeeded", "requires_capture", "processing"];
  const REDIRECTS = ["always", "if_required"];

  /** Stripe's form encoding: {a: {b: 1}} is a[b]=1. */
  function encode(params, prefix, body = new URLSearchParams()) {
    for (const [name, value] of Object.entries(params)) {
      if (value === undefined || value === null) continue;
      const path = prefix ? `${prefix}[${name}]` : name;
      if (typeof value === "object") encode(value, path, body);
      else body.append(path, String(value));
    }
    return body;
  }

  /** {paymentIntent} or {error}; it never rejects. */
  async function request(stripe, method, path, params) {
    const form = encode(params);
    const options = { method, cache: "no-store", credentials: "omit", headers: { Authorization: `Bearer ${stripe._apiKey}` } };
    if (method === "POST") options.body = form;
    try {
      const response = await fetch(`${origin}/v1/${path}${method === "GET" ? `?${form}` : ""}`, options);
      const answer = await response.json();
      return answer.error ? { error: answer.error } : { paymentIntent: answer };
    } catch {
      const message = "We are experiencing issues connecting to our payments provider. You have not been charged. Please check your internet connection and try again.";
      return { error: { type: "api_connection_error", message } };
    }
  }

  function retrieve(stripe, secret, method) {
    const id = readSecret(secret, method);
    return request(stripe, "GET", `payment_intents/${id}`, { client_secret: secret });
  }

  /** The bank's question, over the shop's page, until it is answered. */
  function challenge(address) {
    const where = new URL(address);
    where.searchParams.set("frame", "1");
    const veil = document.createElement("div");
    veil.setAttribute("role", "dialog");
    veil.setAttribute("aria-modal", "true");
    veil.setAttribute("aria-label", "3-D Secure");
    Object.assign(veil.style, { position: "fixed", inset: "0", zIndex: "2147483647", background: "rgb(0 0 0 / 45%)" });
    const frame = document.createElement("iframe");
    frame.name = "__stripeJSChallengeFrame";
    frame.title = "3-D Secure challenge";
    frame.src = where.href;
    Object.assign(frame.style, { position: "absolute", inset: "0", width: "100%", height: "100%", border: "0", background: "transparent" });
    veil.append(frame);
    const before = document.activeElement;
    document.body.append(veil);
    frame.focus();
    return new Promise((resolve) => {
      window.addEventListener("message", function listen(message) {
        if (message.source !== frame.contentWindow || message.origin !== where.origin || message.data?.type !== "challenged") return;
        window.removeEventListener("message", listen);
        veil.remove();
        before?.focus?.();
        resolve();
      });
    });
  }

  /** Whatever the intent asks of the buyer next; then how it stands. */
  async function act(stripe, intent) {
    const next = intent.next_action;
    if (next.type === "redirect_to_url") {
      window.location.assign(next.redirect_to_url.url);
      return new Promise(() => {});
    }
    await challenge(next.use_stripe_sdk.stripe_js);
    const after = await retrieve(stripe, intent.client_secret, "handleNextAction()");
    if (after.error || PAID.includes(after.paymentIntent.status)) return after;
    return { error: { ...after.paymentIntent.last_payment_error, payment_intent: after.paymentIntent } };
  }

  /** The end of a confirmation: an error, the intent, or the way to return_url (then there is no result to wait for). */
  async function finish(stripe, result, redirect, returnUrl) {
    if (!result.error && result.paymentIntent.status === "requires_action") result = await act(stripe, result.paymentIntent);
    if (result.error || redirect === "if_required") return result;
    const { id, client_secret: secret, status } = result.paymentIntent;
    const back = new URL(returnUrl);
    back.searchParams.set("payment_intent", id);
    back.searchParams.set("payment_intent_client_secret", secret);
    back.searchParams.set("redirect_status", status === "processing" ? "pending" : "succeeded");
    window.location.assign(back.href);
    return new Promise(() => {});
  }

  function checkOptions(options) {
    const name = "stripe.confirmPayment()";
    if (typeof options !== "object" || options === null) {
      throw IntegrationError(`Invalid value for ${name}: you must pass an object with elements or a clientSecret.`);
    }
    const { elements, clientSecret, confirmParams = {}, redirect = "always" } = options;
    if (elements !== undefined && !(elements instanceof Elements)) {
      throw IntegrationError(`Invalid value for ${name}: elements should be an Elements object.`);
    }
    if (!elements && clientSecret === undefined) {
      throw IntegrationError(`Missing value for ${name}: pass elements or a clientSecret.`);
    }
    if (elements && !elements._element?._frame) {
      throw IntegrationError(`Invalid value for ${name}: elements should have a mounted Payment Element.`);
    }
    if (!REDIRECTS.includes(redirect)) {
      throw IntegrationError(`Invalid value for ${name}: redirect should be one of the following strings: ${REDIRECTS.join(", ")}. You specified: ${redirect}.`);
    }
    if (redirect === "always" && !confirmParams.return_url) {
      throw IntegrationError(`Missing value for ${name}: confirmParams.return_url is needed unless redirect is "if_required".`);
    }
    const secret = clientSecret === undefined ? elements._clientSecret : clientSecret;
    return { elements, id: readSecret(secret, name), secret, confirmParams, redirect };
  }

  const methods = window.Stripe.prototype;

  methods.retrievePaymentIntent = function (clientSecret) {
    return retrieve(this, clientSecret, "stripe.retrievePaymentIntent()");
  };

  methods.confirmPayment = function (options) {
    const { elements, id, secret, confirmParams, redirect } = checkOptions(options);
    const pay = async () => {
      const params = { ...confirmParams, client_secret: secret, use_stripe_sdk: true };
      const result = elements
        ? await elements._element._ask("confirm", { id, params })
        : await request(this, "POST", `payment_intents/${id}/confirm`, params);
      return finish(this, result, redirect, confirmParams.return_url);
    };
    return pay();
  };

  methods.confirmCardPayment = function (clientSecret, data = {}, { handleActions = true } = {}) {
    const name = "stripe.confirmCardPayment()";
    const id = readSecret(clientSecret, name);
    if (data.payment_method !== undefined && typeof data.payment_method !== "string") {
      throw IntegrationError(`${name}: the local sandbox has no Card Element; pass the id of a PaymentMethod, or use the Payment Element with confirmPayment.`);
    }
    const pay = async () => {
      const result = await request(this, "POST", `payment_intents/${id}/confirm`, { ...data, client_secret: clientSecret, use_stripe_sdk: true });
      return handleActions ? finish(this, result, "if_required") : result;
    };
    return pay();
  };

  methods.handleNextAction = function (options) {
    const secret = options && options.clientSecret;
    readSecret(secret, "stripe.handleNextAction()");
    const go = async () => {
      const result = await retrieve(this, secret, "stripe.handleNextAction()");
      if (result.error) return result;
      if (result.paymentIntent.status === "requires_action") return act(this, result.paymentIntent);
      const message = "handleNextAction: The PaymentIntent supplied is not in the requires_action state.";
      return { error: { type: "invalid_request_error", code: "payment_intent_unexpected_state", message, payment_intent: result.paymentIntent } };
    };
    return go();
  };
})();
