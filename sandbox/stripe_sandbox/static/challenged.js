// A 3-D Secure challenge in a frame of the shop's page has been answered: Stripe.js, which shows the frame, goes on.
// The message says only that; how it ended Stripe.js asks the API.
"use strict";

window.parent.postMessage({ type: "challenged" }, "*");
