// Elements of the sandbox's Stripe.js, on the shop's side: the Elements object and each Element's frame.
// The card is typed into a page of the sandbox's own origin (/c/elements/...); no digit of it passes through here.
// Shapes and texts: docs.stripe.com/js. Sent behind stripe.js, in front of payments.js.
(function () {
  "use strict";

  const here = window.Stripe && window.Stripe._sandbox;
  if (!here || here.Elements) return;

  const { base, IntegrationError } = here;
  const ORIGIN = new URL(base).origin;
  const SECRET = /^((pi|seti)_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/;
  const OPTIONS = [
    "clientSecret", "appearance", "locale", "fonts", "loader", "mode", "amount", "currency", "setupFutureUsage", "captureMethod",
    "onBehalfOf", "paymentMethodTypes", "allowedPaymentMethodTypes", "excludedPaymentMethodTypes", "paymentMethodCreation",
    "paymentMethodConfiguration", "paymentMethodOptions", "customerSessionClientSecret", "customerOptions",
  ];
  const MODES = ["payment", "setup", "subscription"];
  const EVENTS = ["ready", "change", "focus", "blur", "escape", "loaderror", "loaderstart"];
  const OF_WALLETS = ["ready", "click", "confirm", "cancel", "shippingaddresschange", "shippingratechange", "loaderror"];
  const PARTS = ["cardNumber", "cardExpiry", "cardCvc"];
  const CARDS = ["card", ...PARTS];
  const CONTACTS = ["linkAuthentication", "address"];
  const TYPES = ["payment", ...CARDS, ...CONTACTS, "expressCheckout"];
  // Clover (2025-09-30) refuses to show a form for what can't be paid any more; the trains before it do not.
  const LENIENT = ["v3", "acacia", "basil"];
  const DARK = window.matchMedia("(prefers-color-scheme: dark)");
  let frames = 0;

  /** What a client secret is of: {id, kind: "pi" or "seti"}; IntegrationError where it is none, or not of `wanted`. */
  function readSecret(secret, method, wanted) {
    const match = typeof secret === "string" ? SECRET.exec(secret) : null;
    if (match && (!wanted || match[2] === wanted)) return { id: match[1], kind: match[2] };
    const given = typeof secret === "string" ? secret : typeof secret;
    const noun = match ? { pi: " PaymentIntent", seti: " SetupIntent" }[wanted] : "";
    throw IntegrationError(
      `Invalid value for ${method}: clientSecret should be a${noun} client secret of the form \${id}_secret_\${secret}. You specified: ${given}.`
    );
  }

  /** A page of the sandbox inside the shop's: asks it things, hears what happens to it. */
  class Frame {
    constructor(path, hear) {
      const node = document.createElement("iframe");
      node.name = `__privateStripeFrame${1000 + frames++}`;
      node.title = "Secure payment input frame";
      node.src = base + path;
      node.setAttribute("allow", "payment *");
      // As Stripe's: the page inside has 4 px for its fields' shadows, and the fields stand where the shop's do.
      Object.assign(node.style, { display: "block", width: "calc(100% + 8px)", height: "0", border: "0", margin: "-4px", padding: "0", background: "transparent", colorScheme: "light", transition: "height 150ms" });
      this.node = node;
      this._hear = hear;
      this._asked = new Map();
      this._count = 0;
      this._listen = (message) => this._receive(message);
      window.addEventListener("message", this._listen);
    }

    /** Both must fit: any page may send messages, and the frame's own page might be gone. */
    _receive(message) {
      if (message.source !== this.node.contentWindow || message.origin !== ORIGIN) return;
      const { type, answer, data } = message.data || {};
      if (type === "answer") {
        this._asked.get(answer)?.(data);
        this._asked.delete(answer);
      } else if (type === "resize") {
        this.node.style.height = `${data.height}px`;
      } else {
        this._hear(type, data);
      }
    }

    send(type, data, id) {
      this.node.contentWindow?.postMessage({ type, data, id }, ORIGIN);
    }

    ask(type, data) {
      return new Promise((resolve) => {
        const id = ++this._count;
        this._asked.set(id, resolve);
        this.send(type, data, id);
      });
    }

    /** Take it off the page; those who still wait for an answer hear that there will be none. */
    remove() {
      window.removeEventListener("message", this._listen);
      this.node.remove();
      const gone = { error: { type: "invalid_request_error", message: "The Element was unmounted before it could answer." } };
      this._asked.forEach((resolve) => resolve(gone));
      this._asked.clear();
    }
  }

  /** Any Element: what it asks its frame, and what it hears. `type` is the name that elements.create() has for it. */
  class StripeElement {
    constructor(elements, type, options) {
      this._elements = elements;
      this._type = type;
      this._options = options || {};
      this._listeners = [];
      this._frame = null;
      this._destroyed = false;
    }

    mount(place) {
      if (this._destroyed) throw IntegrationError("This Element has already been destroyed. Please create a new one.");
      const node = typeof place === "string" ? document.querySelector(place) : place;
      if (!node && typeof place === "string") {
        throw IntegrationError(
          `The selector you specified (${place}) applies to no DOM elements that are currently on the page.\nMake sure the element exists on the page before calling mount().`
        );
      }
      if (!(node instanceof Element)) {
        throw IntegrationError("Missing argument. Make sure to call mount() with a valid DOM element or selector.");
      }
      if (this._frame && this._frame.node.parentNode === node) return this;
      this.unmount();
      this._loaded = new Promise((resolve) => { this._load = resolve; });
      const locale = encodeURIComponent(this._elements._locale);
      this._frame = new Frame(`/c/elements/${this._type}?locale=${locale}`, (type, data) => this._hear(type, data));
      node.replaceChildren(this._frame.node);
      this._place = node;
      node.classList.add("StripeElement");
      this._emit("loaderstart", { elementType: this._type });
      return this;
    }

    unmount() {
      this._frame?.remove();
      this._frame = null;
      this._place?.classList.remove("StripeElement", "StripeElement--complete", "StripeElement--empty", "StripeElement--focus", "StripeElement--invalid");
      return this;
    }

    destroy() {
      this.unmount();
      this._destroyed = true;
      this._elements._forget(this);
      return this;
    }

    on(event, listener) { return this._add(event, listener, false); }
    once(event, listener) { return this._add(event, listener, true); }
    addEventListener(event, listener) { return this._add(event, listener, false); }
    removeEventListener(event, listener) { return this.off(event, listener); }

    off(event, listener) {
      this._listeners = this._listeners.filter((one) => one.event !== event || (listener && one.listener !== listener));
      return this;
    }

    update(options) {
      Object.assign(this._options, options);
      this._frame?.send("options", this._options);
      return this;
    }

    focus() { this._frame?.send("focus"); return this; }
    blur() { this._frame?.send("blur"); return this; }
    clear() { this._frame?.send("clear"); return this; }
    collapse() { return this; }

    /** Of the Address Element: {complete, isNewAddress, value}. */
    async getValue() {
      if (this._type !== "address") throw IntegrationError(`The ${this._type} Element has no getValue().`);
      return this._ask("value");
    }

    /** Ask the frame once it shows its form; where it can't load, the answer is that error. */
    async _ask(type, data) {
      if (!this._frame) return { error: { type: "invalid_request_error", message: `The ${this._type} Element is not mounted.` } };
      const failed = await this._loaded;
      if (failed) return { error: failed };
      if (CARDS.includes(this._type)) this._frame.send("neighbours", this._elements._frames());
      return this._frame.ask(type, data);
    }

    _add(event, listener, once) {
      const known = this._type === "expressCheckout" ? OF_WALLETS : EVENTS;
      if (!known.includes(event)) {
        throw IntegrationError(`Invalid event name: ${event}. Valid events are ${known.join(", ")}.`);
      }
      if (typeof listener !== "function") throw IntegrationError(`Missing handler for the event "${event}".`);
      this._listeners.push({ event, listener, once });
      return this;
    }

    _emit(event, data) {
      for (const one of this._listeners.filter((one) => one.event === event)) {
        if (one.once) this._listeners = this._listeners.filter((other) => other !== one);
        one.listener(data);
      }
    }

    _hear(type, data) {
      if (type === "hello") {
        this._frame.node.title = data.title; // in the language of the fields
        this._frame.send("init", this._elements._forFrame(this._options, this._frame.node));
        return;
      }
      if (type === "ready") this._load(null);
      if (type === "loaderror") this._load(data.error);
      if (type === "change") this._change = data;
      this._mark(type, data);
      // There is no wallet, so there is nothing to press.
      const more = type === "ready" && this._type === "expressCheckout" ? { availablePaymentMethods: undefined } : {};
      if (EVENTS.includes(type)) this._emit(type, { elementType: this._type, ...more, ...data });
    }

    /** The classes that shops style a Card Element's place by. */
    _mark(type, data) {
      const mark = (name, on) => this._place?.classList.toggle(`StripeElement--${name}`, Boolean(on));
      if (type === "focus" || type === "blur") mark("focus", type === "focus");
      if (type !== "change") return;
      mark("complete", data.complete);
      mark("empty", data.empty);
      mark("invalid", data.error);
    }
  }

  class Elements {
    constructor(stripe, options = {}) {
      if (typeof options !== "object" || options === null) throw IntegrationError("Invalid value for elements(): you must pass an object.");
      const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
      if (unknown.length) console.warn(`[Stripe.js] Unrecognized elements() parameter: ${unknown.join(", ")} is not a recognized parameter.`);
      if (options.clientSecret !== undefined) readSecret(options.clientSecret, "elements()");
      else checkDeferred(options);
      this._stripe = stripe;
      this._options = { ...options };
      this._mounted = [];
      this._submitted = false;
      DARK.addEventListener("change", () => this._dress());
    }

    /** The language of the fields: "auto" is the browser's. */
    get _locale() { return this._options.locale || this._stripe._locale; }
    get _clientSecret() { return this._options.clientSecret; }
    get _deferred() { return this._options.mode !== undefined; }
    /** The one that pays. */
    get _element() { return this.getElement("payment"); }

    create(type, options) {
      if (!TYPES.includes(type)) {
        throw IntegrationError(`The local sandbox has these Elements: ${TYPES.join(", ")}; not ${JSON.stringify(type)}.`);
      }
      if (type === "payment" && !this._clientSecret && !this._deferred) {
        throw IntegrationError("The Payment Element needs a clientSecret, or a mode: stripe.elements({clientSecret}) or stripe.elements({mode, currency, amount}).");
      }
      if (type === "address" && !["shipping", "billing"].includes(options?.mode)) {
        throw IntegrationError('Missing value for elements.create("address"): mode should be "shipping" or "billing".');
      }
      if (this.getElement(type, options?.mode)) throw IntegrationError(`Can only create one Element of type ${type}.`);
      const made = new StripeElement(this, type, options);
      this._mounted.push(made);
      return made;
    }

    /** By its name, or by the component of @stripe/react-stripe-js that made it. */
    getElement(wanted, mode) {
      const type = wanted?.__elementType || wanted;
      return this._mounted.find((one) => one._type === type && (!mode || one._options.mode === mode)) || null;
    }

    update(options) {
      if (options && "clientSecret" in options) {
        throw IntegrationError("elements.update(): the clientSecret can't be changed; make a new Elements object.");
      }
      Object.assign(this._options, options);
      if (this._deferred) checkDeferred(this._options);
      this._dress();
    }

    /** Look at the intent again: its amount or its payment methods may have changed on the server. */
    async fetchUpdates() {
      return this._element?._frame ? this._element._ask("fetch") : {};
    }

    /** Say what is missing, beside the inputs and to the caller: the first error, or what was chosen. */
    async submit() {
      const asked = this._mounted.filter((one) => one._frame && ["payment", ...CONTACTS].includes(one._type));
      if (!asked.length) throw IntegrationError("elements.submit(): elements should have a mounted Payment Element.");
      const found = Object.assign({}, ...(await Promise.all(asked.map((one) => one._ask("validate")))).reverse());
      this._submitted = !found.error;
      return found.error ? { error: found.error } : found;
    }

    /** What the Elements that ask who the buyer is add to a confirmation. */
    async _contact() {
      const params = {};
      const billing = {};
      for (const one of this._mounted.filter((one) => one._frame && CONTACTS.includes(one._type))) {
        const { value = {} } = await one._ask("value");
        if (one._type === "linkAuthentication") billing.email = value.email;
        else if (one._options.mode === "shipping") params.shipping = value;
        else Object.assign(billing, value);
      }
      if (Object.keys(billing).length) params.payment_method_data = { billing_details: billing };
      return params;
    }

    /** The names of the frames that hold a card's parts. */
    _frames() {
      return Object.fromEntries(this._mounted.filter((one) => one._frame && PARTS.includes(one._type)).map((one) => [one._type, one._frame.node.name]));
    }

    _forget(element) { this._mounted = this._mounted.filter((one) => one !== element); }

    _dress() {
      for (const { _frame: frame } of this._mounted) frame?.send("appearance", this._look(frame.node));
    }

    /** Where the shop names no theme the form is dark where its page is: the buyer wants it and the page can. */
    _look(node) {
      const { theme, variables } = this._options.appearance || {};
      const dark = DARK.matches && getComputedStyle(node.parentNode).colorScheme.includes("dark");
      return { theme: theme || (dark ? "night" : "stripe"), variables: variables || {} };
    }

    _forFrame(element, node) {
      const { clientSecret, paymentMethodTypes, allowedPaymentMethodTypes } = this._options;
      return {
        appearance: this._look(node), clientSecret, element, key: this._stripe._apiKey, lenient: LENIENT.includes(here.train),
        types: paymentMethodTypes || allowedPaymentMethodTypes,
      };
    }
  }

  /** Elements before there is an intent: mode, currency and amount. Without a mode there can be Card Elements. */
  function checkDeferred({ mode, amount, currency, paymentMethodTypes }) {
    if (mode === undefined) return;
    const name = "elements()";
    if (paymentMethodTypes !== undefined && here.train === "endive") {
      throw IntegrationError(`Invalid ${name} parameter: paymentMethodTypes is no longer supported. Use allowedPaymentMethodTypes.`);
    }
    if (!MODES.includes(mode)) throw IntegrationError(`Invalid value for ${name}: mode should be one of the following strings: ${MODES.join(", ")}. You specified: ${mode}.`);
    if (mode !== "setup" && typeof currency !== "string") throw IntegrationError(`Missing value for ${name}: currency should be a string.`);
    if (mode === "payment" && !(Number.isInteger(amount) && amount > 0)) {
      throw IntegrationError(`Invalid value for ${name}: amount should be greater than 0, in the currency's smallest unit. You specified: ${amount}.`);
    }
  }

  here.Elements = Elements;
  here.StripeElement = StripeElement;
  here.Frame = Frame;
  here.readSecret = readSecret;
  window.Stripe.prototype.elements = function (options) { return new Elements(this, options); };
})();
