// The logit lens: what each layer would say, at each place.
import { digits, make, number } from "./numbers.js";
import { T, data, focus, moment, token, walk, watch, word } from "./focus.js";
import { lensOf } from "./text.js";

/** "blocks.3" as a reader calls it. */
const called = name => name === "embed" ? "embedding" : `layer ${name.split(".")[1]}`;

export function lens() {
  const box = document.getElementById("lens"), readout = document.getElementById("lens-readout"), names = lensOf(moment()).names, cells = [];
  const table = make("table", { role: "grid", "aria-label": "The likeliest next token after each layer, at each place" });
  table.append(make("thead", {}, make("tr", {}, make("th", { scope: "col" }, make("span", { class: "hidden" }, "after")), ...data.tokens.map((id, t) => make("th", { scope: "col", "data-place": t }, word(id))))));
  const body = make("tbody");
  names.forEach((name, layer) => {
    const row = make("tr", {}, make("th", { scope: "row" }, called(name)));
    for (let t = 0; t < T; t++) {
      const cell = make("td", { role: "gridcell", "data-place": t, "data-layer": layer, tabindex: -1 });
      cells.push(cell);
      row.append(cell);
    }
    body.append(row);
  });
  body.append(make("tr", { class: "came" }, make("th", { scope: "row" }, "what came"), ...data.tokens.map((_, t) => make("td", { "data-place": t }, t + 1 < T ? token(t + 1) : "?"))));
  table.append(body);
  box.append(table);
  walk(box, "td[role]", () => T);
  let row = names.length - 1, drawn = null;
  box.addEventListener("focusin", event => { row = Number(event.target.dataset?.layer ?? row); });
  box.addEventListener("pointerover", event => { row = Number(event.target.closest("td[data-layer]")?.dataset.layer ?? row); });
  watch(({ place }, kept) => {
    const its = lensOf(moment()), k = its.top.length / its.rank.length;
    if (drawn !== focus.moment) {
      drawn = focus.moment;
      cells.forEach((cell, i) => {
        const p = its.p[i * k];
        cell.replaceChildren(word(its.top[i * k]), make("small", {}, number(p, 3)));
        cell.style.setProperty("--share", p);
      });
    }
    if (kept) {
      cells.forEach((cell, i) => { cell.tabIndex = i === row * T + focus.place ? 0 : -1; });
      const wanted = cells[focus.place], area = box.getBoundingClientRect(), at = wanted.getBoundingClientRect();
      if (at.right > area.right || at.left < area.left + 90) box.scrollLeft += at.left - area.left - area.width / 2;
    }
    const i = row * T + place, guesses = Array.from({ length: k }, (_, n) => [word(its.top[i * k + n]), its.p[i * k + n]]);
    readout.replaceChildren(`After ${called(names[row])} at place ${place} (`, make("b", {}, token(place)), "), the likeliest next tokens are ",
      ...guesses.flatMap(([text, p], n) => [n ? ", " : "", make("b", {}, text), " ", number(p)]), ". ");
    if (place + 1 < T) readout.append("The token that came, ", make("b", {}, token(place + 1)), ", has ", number(its.target[i]), `: ${its.rank[i] ? its.rank[i].toLocaleString("en") : "none"} ${its.rank[i] > 1 ? "are" : "is"} likelier. `);
    readout.append("Entropy: ", number(its.entropy[i]), ` nats, as undecided as among ${digits(Math.exp(its.entropy[i]), 3)} equally likely tokens.`);
  });
}
