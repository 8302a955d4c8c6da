// What stands on a page of `glass look`: numbers, words, and whether anything hangs over the side.
const value = part => part && part.value !== undefined ? Number(part.value) : part && Number(part.getAttribute("value"));
const all = (selector, read) => [...document.querySelectorAll(selector)].map(read);
const wide = all("main *", part => part).filter(part => !part.closest(".scroll, svg") && part.getBoundingClientRect().right > innerWidth + 1);
return {
  loss: value(document.querySelector("#text-readout data")), place: document.querySelector("#text [aria-current]").dataset.place,
  head: document.getElementById("head-name").textContent, weight: value(document.querySelector("#head-readout data")),
  shown: document.querySelector("#head-readout data").textContent,
  lens: all("#lens td[role] data", value), words: all("#lens td[role]", cell => cell.firstChild.textContent),
  said: all("#said .bar-row data", value),
  stages: all("#next tbody tr", row => [Number(row.dataset.token), ...[...row.cells].slice(1).map(cell => value(cell.querySelector("data")))]),
  why: value(document.querySelector("#why data")), scroll: document.scrollingElement.scrollWidth, inner: innerWidth,
  steps: all("#time .labels span", part => part.textContent),
  wide: wide.map(part => part.tagName + "." + part.className).slice(0, 4), marked: all("[data-head].on", part => part.className.split(" ")[0]),
};
