// Paying and saving with the sandbox's Stripe.js: confirmPayment, confirmSetup, createPaymentMethod and their kin.
// What goes wrong for the buyer resolves as {error}, shaped as Stripe's; what the page does wrong throws.
// Sent behind elements.js.
(function () {
  "use strict";

  const here = window.Stripe && window.Stripe._sandbox;
  if (!here || !here.Elements || here.paying) return;
  here.paying = true;

  const { base, IntegrationError, Elements, StripeElement, readSecret } = here;
  const PAID = ["succeeded", "requires_capture", "processing"];
  const REDIRECTS = ["always", "if_required"];
  // By the beginning of an id: where the API has it, what a promise calls it, what return_url calls it, its last error.
  const KINDS = {
    pi: { path: "payment_intents", name: "paymentIntent", query: "payment_intent", error: "last_payment_error", noun: "PaymentIntent" },
    seti: { path: "setup_intents", name: "setupIntent", query: "setup_intent", error: "last_setup_error", noun: "SetupIntent" },
  };

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

  /** The object of the answer under `name`, or {error}; it never rejects. */
  async function request(stripe, method, path, params, name) {
    const form = encode(params);
    const options = { method, cache: "no-store", credentials: "omit", headers: { Authorization: `Bearer ${stripe._apiKey}` } };
    if (method === "POST") options.body = form;
    try {
      const response = await fetch(`${base}/v1/${path}${method === "GET" ? `?${form}` : ""}`, options);
      const answer = await response.json();
      return answer.error ? { error: answer.error } : { [name]: answer };
    } catch {
      const message = "We are experiencing issues connecting to our payments provider. You have not been charged. Please check your internet connection and try again.";
      return { error: { type: "api_connection_error", message } };
    }
  }

  function retrieve(stripe, secret, method, wanted) {
    const { id, kind } = readSecret(secret, method, wanted);
    return request(stripe, "GET", `${KINDS[kind].path}/${id}`, { client_secret: secret }, KINDS[kind].name);
  }

  /** The bank's question, over the shop's page, until it is answered; what came of it in the buyer's language. */
  function challenge(address, locale) {
    const where = new URL(address);
    where.searchParams.set("frame", "1");
    where.searchParams.set("locale", locale);
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
        resolve(message.data.said);
      });
    });
  }

  /** Whatever the intent asks of the buyer next; then how it stands. */
  async function act(stripe, intent, kind) {
    const next = intent.next_action;
    if (next.type === "redirect_to_url") {
      window.location.assign(next.redirect_to_url.url);
      return new Promise(() => {});
    }
    const said = await challenge(next.use_stripe_sdk.stripe_js, stripe._locale);
    const after = await retrieve(stripe, intent.client_secret, "handleNextAction()");
    const { name, error, query } = KINDS[kind];
    if (after.error || PAID.includes(after[name].status)) return after;
    const refused = after[name][error];
    return { error: { ...refused, message: said || refused?.message, [query]: after[name] } };
  }

  /** The end of a confirmation: an error, the intent, or the way to return_url (then there is no result to wait for). */
  async function finish(stripe, kind, result, redirect, returnUrl) {
    const { name, query } = KINDS[kind];
    if (!result.error && result[name].status === "requires_action") result = await act(stripe, result[name], kind);
    if (result.error || redirect === "if_required") return result;
    const { id, client_secret: secret, status } = result[name];
    const back = new URL(returnUrl);
    back.searchParams.set(query, id);
    back.searchParams.set(`${query}_client_secret`, secret);
    back.searchParams.set("redirect_status", status === "processing" ? "pending" : "succeeded");
    window.location.assign(back.href);
    return new Promise(() => {});
  }

  /** A frame's {intent} as a promise of Stripe.js has it. */
  const named = ({ intent, error }, kind) => (error ? { error } : { [KINDS[kind].name]: intent });

  function checkOptions(options, name, kind) {
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
    if (elements?._deferred && !elements._submitted) {
      throw IntegrationError(`elements.submit() must be called before ${name}, and before the intent is made.`);
    }
    if (!REDIRECTS.includes(redirect)) {
      throw IntegrationError(`Invalid value for ${name}: redirect should be one of the following strings: ${REDIRECTS.join(", ")}. You specified: ${redirect}.`);
    }
    if (redirect === "always" && !confirmParams.return_url) {
      throw IntegrationError(`Missing value for ${name}: confirmParams.return_url is needed unless redirect is "if_required".`);
    }
    const secret = clientSecret === undefined ? elements._clientSecret : clientSecret;
    return { elements, id: readSecret(secret, name, kind).id, secret, confirmParams, redirect };
  }

  /** `given` over what the Elements know of the buyer. */
  function merged(known, given) {
    const both = { ...known, ...given };
    const data = [known, given].map((one) => one.payment_method_data).filter(Boolean);
    if (data.length) {
      both.payment_method_data = Object.assign({}, ...data);
      both.payment_method_data.billing_details = Object.assign({}, ...data.map((one) => one.billing_details));
    }
    return both;
  }

  function confirm(stripe, options, name, kind) {
    const { elements, id, secret, confirmParams, redirect } = checkOptions(options, name, kind);
    const path = `${KINDS[kind].path}/${id}`;
    const go = async () => {
      const sent = { client_secret: secret, use_stripe_sdk: true };
      let result;
      if (elements) {
        const known = await elements._contact();
        if (kind === "seti") delete known.shipping; // a SetupIntent has none
        result = named(await elements._element._ask("confirm", { path, params: { ...merged(known, confirmParams), ...sent } }), kind);
      } else {
        result = await request(stripe, "POST", `${path}/confirm`, { ...confirmParams, ...sent }, KINDS[kind].name);
      }
      return finish(stripe, kind, result, redirect, confirmParams.return_url);
    };
    return go();
  }

  /** The frame that a card is typed into, of a Card Element or of the one for its number. */
  function cardFrame(element, name) {
    if (!(element instanceof StripeElement) || !["card", "cardNumber", "cardExpiry", "cardCvc"].includes(element._type)) {
      throw IntegrationError(`Invalid value for ${name}: card should be a Card Element, or an object with a token.`);
    }
    const number = element._type === "card" ? element : element._elements.getElement("cardNumber");
    if (!number?._frame) throw IntegrationError(`Invalid value for ${name}: the Card Element is not mounted.`);
    return number;
  }

  function confirmCard(stripe, secret, data, { handleActions = true }, name, kind) {
    const { id } = readSecret(secret, name, kind);
    const path = `${KINDS[kind].path}/${id}`;
    const { payment_method: given, ...rest } = data;
    const sent = { ...rest, client_secret: secret, use_stripe_sdk: true };
    if (given?.card === null) throw IntegrationError(`Invalid value for ${name}: payment_method.card should be a Card Element. You specified: null.`);
    const typed = typeof given === "object" && given?.card instanceof StripeElement ? cardFrame(given.card, name) : null;
    const go = async () => {
      let result;
      if (typed) {
        const params = { ...sent, payment_method_data: { billing_details: given.billing_details } };
        result = named(await typed._ask("confirm", { path, params }), kind);
      } else {
        if (typeof given === "object" && given !== null) sent.payment_method_data = { type: "card", ...given };
        else sent.payment_method = given;
        result = await request(stripe, "POST", `${path}/confirm`, sent, KINDS[kind].name);
      }
      return handleActions ? finish(stripe, kind, result, "if_required") : result;
    };
    return go();
  }

  const methods = window.Stripe.prototype;

  methods.retrievePaymentIntent = function (clientSecret) { return retrieve(this, clientSecret, "stripe.retrievePaymentIntent()", "pi"); };
  methods.retrieveSetupIntent = function (clientSecret) { return retrieve(this, clientSecret, "stripe.retrieveSetupIntent()", "seti"); };
  methods.confirmPayment = function (options) { return confirm(this, options, "stripe.confirmPayment()", "pi"); };
  methods.confirmSetup = function (options) { return confirm(this, options, "stripe.confirmSetup()", "seti"); };

  methods.confirmCardPayment = function (clientSecret, data = {}, options = {}) {
    return confirmCard(this, clientSecret, data, options, "stripe.confirmCardPayment()", "pi");
  };

  methods.confirmCardSetup = function (clientSecret, data = {}, options = {}) {
    return confirmCard(this, clientSecret, data, options, "stripe.confirmCardSetup()", "seti");
  };

  // ({type, card, billing_details}), ({elements, params}), and the older ("card", element, {billing_details}).
  methods.createPaymentMethod = function (options, element, more = {}) {
    const name = "stripe.createPaymentMethod()";
    if (typeof options === "string") options = { ...more, type: options, [options]: element };
    if (typeof options !== "object" || options === null) throw IntegrationError(`Invalid value for ${name}: you must pass an object.`);
    const { elements, params = {}, ...plain } = options;
    if (plain.card === null) throw IntegrationError(`Invalid value for ${name}: card should be a Card Element. You specified: null.`);
    if (elements) {
      if (!(elements instanceof Elements) || !elements._element?._frame) throw IntegrationError(`Invalid value for ${name}: elements should have a mounted Payment Element.`);
      if (!elements._submitted) throw IntegrationError(`elements.submit() must be called before ${name}.`);
      return elements._contact()
        .then((known) => elements._element._ask("make", merged(known, { payment_method_data: params }).payment_method_data))
        .then((made) => (made.error ? made : { paymentMethod: made }));
    }
    if (plain.card instanceof StripeElement) {
      const { card, ...given } = plain; // an Element is nothing that a message can carry
      return cardFrame(card, name)._ask("make", given).then((made) => (made.error ? { error: made.error } : { paymentMethod: made }));
    }
    return request(this, "POST", "payment_methods", plain, "paymentMethod");
  };

  // For a server that makes the intent and confirms it: what the Elements have collected, once.
  methods.createConfirmationToken = function (options) {
    const name = "stripe.createConfirmationToken()";
    const { elements, params = {} } = options || {};
    if (!(elements instanceof Elements) || !elements._element?._frame) throw IntegrationError(`Invalid value for ${name}: elements should have a mounted Payment Element.`);
    if (!elements._submitted) throw IntegrationError(`elements.submit() must be called before ${name}.`);
    return elements._contact()
      .then((known) => elements._element._ask("collect", { setup_future_usage: elements._options.setupFutureUsage, ...merged(known, params) }))
      .then((made) => (made.error ? made : { confirmationToken: made }));
  };

  methods.createToken = function (element, data = {}) {
    const name = "stripe.createToken()";
    if (!(element instanceof StripeElement)) throw IntegrationError(`${name}: the local sandbox makes tokens of Card Elements only.`);
    return cardFrame(element, name)._ask("token", data).then((made) => (made.error ? { error: made.error } : { token: made }));
  };

  // Apple Pay and Google Pay by the older name: there is none, which shops ask about first.
  methods.paymentRequest = function () {
    const quiet = { on() { return quiet; }, off() { return quiet; }, update() {}, show() {}, abort() {}, isShowing: () => false };
    return Object.assign(quiet, { canMakePayment: async () => null });
  };

  methods.handleNextAction = function (options) { return next(this, options && options.clientSecret, "stripe.handleNextAction()"); };
  methods.handleCardAction = function (clientSecret) { return next(this, clientSecret, "stripe.handleCardAction()"); };

  function next(stripe, secret, method) {
    const { kind } = readSecret(secret, method);
    const { name, noun, query } = KINDS[kind];
    const go = async () => {
      const result = await retrieve(stripe, secret, method);
      if (result.error) return result;
      if (result[name].status === "requires_action") return act(stripe, result[name], kind);
      const message = `handleNextAction: The ${noun} supplied is not in the requires_action state.`;
      return { error: { type: "invalid_request_error", code: `${query}_unexpected_state`, message, [query]: result[name] } };
    };
    return go();
  }
})();
