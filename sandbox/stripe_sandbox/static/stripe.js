// The sandbox's own Stripe.js: the same names, errors and promises as Stripe's, for the local Stripe that served it.
// One file for every release train; which one it is, and where the sandbox lives, it reads from its own address.
// It loads nothing, stores nothing and reports nothing. elements.js, payments.js and embedded_checkout.js are sent behind it in one answer.
(function () {
  "use strict";

  var TRAINS = /^(.*)\/(?:v3\/?|(acacia|basil|clover|dahlia|endive)\/stripe\.js)$/;
  // redirectToCheckout was removed in clover (2025-09-30).
  var REDIRECTING = ["v3", "acacia", "basil"];
  var LATER = [
    "createSource", "retrieveSource", "initCheckout", "initCheckoutElementsSdk", "initCheckoutFormSdk",
    "confirmSepaDebitPayment", "confirmSepaDebitSetup", "confirmIdealPayment", "confirmUsBankAccountPayment",
    "collectBankAccountForPayment", "verifyIdentity",
  ];

  function IntegrationError(message) {
    var error = new Error(message);
    error.name = "IntegrationError";
    return error;
  }

  // currentScript is there only while the file first runs, so everything is read now.
  function ownScript() {
    if (document.currentScript && document.currentScript.src) return document.currentScript.src;
    var scripts = Array.prototype.map.call(document.scripts, function (script) { return script.src; });
    return scripts.filter(function (src) { return src && TRAINS.test(new URL(src).pathname); }).pop() || "";
  }

  var address = new URL(ownScript() || "/v3/", document.baseURI);
  var place = TRAINS.exec(address.pathname) || ["", "", ""];
  var train = place[2] || "v3";
  var sandbox = address.origin + place[1];

  function checkKey(key) {
    if (key === undefined || key === null) {
      throw IntegrationError("Missing value for Stripe(): apiKey should be a string.");
    }
    if (typeof key !== "string") {
      throw IntegrationError("Invalid value for Stripe(): apiKey should be a string. You specified: " + String(key) + ".");
    }
    if (key.trim() === "") {
      throw IntegrationError("Please call Stripe() with your publishable key. You used an empty string.");
    }
    if (/^[sr]k_/.test(key)) {
      throw IntegrationError(
        "You should not use your secret key with Stripe.js.\n        Please pass a publishable key instead."
      );
    }
    if (/^pk_live_/.test(key)) {
      throw IntegrationError("This is the local sandbox's Stripe.js: it takes test keys (pk_test_...), never live ones.");
    }
    if (!/^pk_test_./.test(key)) {
      throw IntegrationError("Invalid API key provided to Stripe(): a publishable key begins with pk_test_.");
    }
  }

  function readSessionId(options) {
    var name = "stripe.redirectToCheckout";
    if (typeof options !== "object" || options === null) {
      throw IntegrationError("Invalid value for " + name + "(): you must pass an object with a sessionId.");
    }
    if (options.sessionId === undefined) {
      if (options.lineItems || options.items) {
        throw IntegrationError(name + ": the local sandbox has no client-only Checkout; pass the sessionId of a Session.");
      }
      throw IntegrationError(name + ": You must provide one of lineItems, items, or sessionId.");
    }
    if (typeof options.sessionId !== "string" || options.sessionId === "") {
      throw IntegrationError(
        "Invalid value for " + name + "(): sessionId should be a Checkout Session ID (e.g. cs_test_...)."
      );
    }
    return options.sessionId;
  }

  function StripeObject(key, options) {
    this._apiKey = key;
    this._locale = (options && options.locale) || "auto";
    this._wrapper = null;
  }

  StripeObject.prototype.redirectToCheckout = function (options) {
    if (REDIRECTING.indexOf(train) < 0) {
      throw IntegrationError("stripe.redirectToCheckout is no longer supported in this version of Stripe.js");
    }
    var id = encodeURIComponent(readSessionId(options));
    var question = sandbox + "/c/lookup/" + id + "?key=" + encodeURIComponent(this._apiKey);
    return fetch(question, { credentials: "omit", cache: "no-store" }).then(
      function (response) { return response.json(); }
    ).then(function (answer) {
      if (answer.error) return { error: answer.error };
      window.location.assign(sandbox + "/c/pay/" + id);
      // As with Stripe's: the page is on its way out, so there is no result to wait for.
      return new Promise(function () {});
    }, function () {
      return { error: { type: "api_connection_error", message: "We could not reach the payment page. Please try again." } };
    });
  };

  LATER.forEach(function (name) {
    StripeObject.prototype[name] = function () {
      throw IntegrationError("stripe." + name + ": the local sandbox doesn't have this; it has Elements for cards, and Checkout.");
    };
  });

  // Called by @stripe/stripe-js's loadStripe to say its own name and version; Stripe reports them, the sandbox keeps them.
  StripeObject.prototype._registerWrapper = function (wrapper) { this._wrapper = wrapper; };

  function Stripe(key, options) {
    checkKey(key);
    return new StripeObject(key, options);
  }
  Stripe.version = train === "v3" ? 3 : train;
  StripeObject.prototype.constructor = Stripe;
  Stripe.prototype = StripeObject.prototype;
  // What elements.js and payments.js need of this file.
  Stripe._sandbox = { base: sandbox, train: train, IntegrationError: IntegrationError };

  // A second copy of the script on one page leaves the first in place, as Stripe's does.
  if (!window.Stripe) window.Stripe = Stripe;
})();
