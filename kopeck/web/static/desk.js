// Django's lists to choose from name their help on an element that can't have a name: it is a picture.
"use strict";
addEventListener("load", () => {
  for (const icon of document.querySelectorAll(".search-label-icon")) icon.setAttribute("role", "img");
});
