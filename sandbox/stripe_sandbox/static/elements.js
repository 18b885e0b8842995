// Elements of the sandbox's Stripe.js, on the shop's side: the Elements object and the Payment Element's frame.
// The card is typed into a page of the sandbox's own origin (/c/elements/payment); no digit of it passes through here.
// Shapes and texts: docs.stripe.com/js. Sent behind stripe.js, in front of payments.js.
(function () {
  "use strict";

  const here = window.Stripe && window.Stripe._sandbox;
  if (!here || here.Elements) return;

  const { origin, IntegrationError } = here;
  const SECRET = /^(pi_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/;
  const OPTIONS = ["clientSecret", "appearance", "locale", "fonts", "loader"];
  const EVENTS = ["ready", "change", "focus", "blur", "escape", "loaderror", "loaderstart"];
  // Clover (2025-09-30) refuses to show a form for what can't be paid any more; the trains before it do not.
  const LENIENT = ["v3", "acacia", "basil"];
  const DARK = window.matchMedia("(prefers-color-scheme: dark)");
  let frames = 0;

  /** The id of the intent that a client secret is of; IntegrationError where it is no client secret. */
  function readSecret(secret, method) {
    const match = typeof secret === "string" ? SECRET.exec(secret) : null;
    if (match) return match[1];
    const given = typeof secret === "string" ? secret : typeof secret;
    throw IntegrationError(
      `Invalid value for ${method}: clientSecret should be a client secret of the form \${id}_secret_\${secret}. You specified: ${given}.`
    );
  }

  /** A page of the sandbox inside the shop's: asks it things, hears what happens to it. */
  class Frame {
    constructor(path, hear) {
      const node = document.createElement("iframe");
      node.name = `__privateStripeFrame${1000 + frames++}`;
      node.title = "Secure payment input frame";
      node.src = origin + path;
      node.setAttribute("allow", "payment *");
      Object.assign(node.style, { display: "block", width: "100%", height: "0", border: "0", margin: "0", padding: "0", background: "transparent", colorScheme: "light", transition: "height 150ms" });
      this.node = node;
      this._hear = hear;
      this._asked = new Map();
      this._count = 0;
      this._listen = (message) => this._receive(message);
      window.addEventListener("message", this._listen);
    }

    /** Both must fit: any page may send messages, and the frame's own page might be gone. */
    _receive(message) {
      if (message.source !== this.node.contentWindow || message.origin !== origin) return;
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
      this.node.contentWindow?.postMessage({ type, data, id }, origin);
    }

    ask(type, data) {
      return new Promise((resolve) => {
        const id = ++this._count;
        this._asked.set(id, resolve);
        this.send(type, data, id);
      });
    }

    /** Take it off the page; whoever still waits for an answer hears that there will be none. */
    remove() {
      window.removeEventListener("message", this._listen);
      this.node.remove();
      const gone = { error: { type: "invalid_request_error", message: "The Element was unmounted before it could answer." } };
      this._asked.forEach((resolve) => resolve(gone));
      this._asked.clear();
    }
  }

  class PaymentElement {
    constructor(elements, options) {
      this._elements = elements;
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
      this._frame = new Frame("/c/elements/payment", (type, data) => this._hear(type, data));
      node.replaceChildren(this._frame.node);
      this._emit("loaderstart", { elementType: "payment" });
      return this;
    }

    unmount() {
      this._frame?.remove();
      this._frame = null;
      return this;
    }

    destroy() {
      this.unmount();
      this._destroyed = true;
      this._elements._element = null;
      return this;
    }

    on(event, listener) { return this._add(event, listener, false); }
    once(event, listener) { return this._add(event, listener, true); }

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

    /** Ask the frame once it shows its form; where it can't load, the answer is that error. */
    async _ask(type, data) {
      const failed = await this._loaded;
      return failed ? { error: failed } : this._frame.ask(type, data);
    }

    _add(event, listener, once) {
      if (!EVENTS.includes(event)) {
        throw IntegrationError(`Invalid event name: ${event}. Valid events are ${EVENTS.join(", ")}.`);
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
        this._frame.send("init", this._elements._forFrame(this._options, this._frame.node));
        return;
      }
      if (type === "ready") this._load(null);
      if (type === "loaderror") this._load(data.error);
      if (EVENTS.includes(type)) this._emit(type, { elementType: "payment", ...data });
    }
  }

  class Elements {
    constructor(stripe, options) {
      if (typeof options !== "object" || options === null || options.clientSecret === undefined) {
        throw IntegrationError(
          "The local sandbox's elements() needs a clientSecret: stripe.elements({clientSecret: ...}). It has no Elements without an Intent."
        );
      }
      const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
      if (unknown.length) console.warn(`[Stripe.js] Unrecognized elements() parameter: ${unknown.join(", ")} is not a recognized parameter.`);
      readSecret(options.clientSecret, "elements()");
      this._stripe = stripe;
      this._options = { ...options };
      this._element = null;
      DARK.addEventListener("change", () => this._dress());
    }

    get _clientSecret() { return this._options.clientSecret; }

    create(type, options) {
      if (type !== "payment") {
        throw IntegrationError(`The local sandbox has the Payment Element only: elements.create("payment"), not ${JSON.stringify(type)}.`);
      }
      if (this._element) throw IntegrationError("Can only create one Element of type payment.");
      this._element = new PaymentElement(this, options);
      return this._element;
    }

    getElement(type) {
      return type === "payment" ? this._element : null;
    }

    update(options) {
      if (options && "clientSecret" in options) {
        throw IntegrationError("elements.update(): the clientSecret can't be changed; make a new Elements object.");
      }
      Object.assign(this._options, options);
      this._dress();
    }

    /** Look at the intent again: its amount or its payment methods may have changed on the server. */
    async fetchUpdates() {
      return this._element?._frame ? this._element._ask("fetch") : {};
    }

    /** Say what is missing, beside the inputs and to the caller. */
    async submit() {
      if (!this._element?._frame) {
        throw IntegrationError("elements.submit(): elements should have a mounted Payment Element.");
      }
      return this._element._ask("validate");
    }

    _dress() {
      const frame = this._element?._frame;
      frame?.send("appearance", this._look(frame.node));
    }

    /** Where the shop names no theme the form is dark where its page is: the buyer wants it and the page can. */
    _look(node) {
      const { theme, variables } = this._options.appearance || {};
      const dark = DARK.matches && getComputedStyle(node.parentNode).colorScheme.includes("dark");
      return { theme: theme || (dark ? "night" : "stripe"), variables: variables || {} };
    }

    _forFrame(element, node) {
      return {
        appearance: this._look(node), clientSecret: this._options.clientSecret, element, key: this._stripe._apiKey,
        lenient: LENIENT.includes(here.train),
      };
    }
  }

  here.Elements = Elements;
  here.readSecret = readSecret;
  window.Stripe.prototype.elements = function (options) { return new Elements(this, options); };
})();
