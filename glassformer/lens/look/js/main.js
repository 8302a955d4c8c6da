// Draws every picture, and looks where the address says.
import { fromAddress, listen } from "./focus.js";
import { gallery } from "./gallery.js";
import { head } from "./head.js";
import { lens } from "./lens.js";
import { next } from "./next.js";
import { said } from "./said.js";
import { text } from "./text.js";
import { time } from "./time.js";
import { why } from "./why.js";

for (const draw of [time, text, gallery, head, lens, said, next, why]) draw();
for (const link of document.querySelectorAll("[data-jump]")) {
  link.addEventListener("click", event => { event.preventDefault(); document.querySelector(link.getAttribute("href")).scrollIntoView(); });
}
listen();
fromAddress();
document.documentElement.dataset.drawn = "yes";
