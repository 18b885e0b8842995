// A 3-D Secure challenge in a frame of the shop's page has been answered: Stripe.js, which shows the frame, goes on.
// How it ended Stripe.js asks the API, and says what went wrong in the words of this page.
"use strict";

window.parent.postMessage({ type: "challenged", said: document.querySelector("main").dataset.said }, "*");
