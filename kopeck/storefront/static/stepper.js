// The buttons beside a quantity. Without this script the number alone is typed.
"use strict";

function step() {
  for (const button of document.querySelectorAll("[data-step]")) {
    const input = button.closest(".pick, .stepper").querySelector("input");
    button.hidden = false;
    button.addEventListener("click", () => {
      if (button.dataset.step > 0) input.stepUp();
      else input.stepDown();
      // What a script changes is announced to nobody: the totals listen for this.
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
}

step();
addEventListener("own", step);
