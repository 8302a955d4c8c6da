// One head: its weights as a matrix, and as arcs on the text from a token to those that it reads.
import { bar, colour, digits, make, number, paint } from "./numbers.js";
import { T, called, focus, headOf, hover, moment, set, token, view, walk, watch } from "./focus.js";
import { does, largest } from "./gallery.js";
import { inLines, tokens } from "./text.js";

const MOST_ARCS = 12, LEAST = 0.02;

export function head() {
  const box = document.getElementById("head"), title = document.getElementById("head-name"), tags = document.getElementById("head-does");
  if (!focus.head) return box.replaceChildren("No layer of this model has weights with which a token reads others; the end of this page says why.");
  const canvas = make("canvas", { tabindex: 0, role: "img" }), values = make("canvas", { class: "values", "aria-hidden": "true" });
  const strip = make("small");
  const row = make("div", { class: "row" }), column = make("div", { class: "column" });
  const readout = make("p", { class: "readout", role: "status", id: "head-readout" });
  const matrix = make("div", { class: "matrix" }, make("span", { class: "axis k" }, "token that is read (key) →"), make("span", { class: "axis q" }, "← token that reads (query)"),
    make("div", { class: "square" }, canvas, row, column), values, strip);
  const text = make("div", { class: "tokens", role: "group", "aria-label": "Who reads whom in the text" }), arcs = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  arcs.setAttribute("class", "arcs"); arcs.setAttribute("aria-hidden", "true");
  const buttons = tokens(), most = make("ol", { class: "most" });
  text.append(...inLines(buttons), arcs);
  walk(text, "button");
  box.append(make("div", {}, matrix, readout), make("div", {}, text, make("h3", {}, "It reads most"), most));

  const at = event => {
    const area = canvas.getBoundingClientRect(), place = (x, size) => Math.max(0, Math.min(T - 1, Math.floor(x / size * T)));
    const t = place(event.clientY - area.top, area.height);
    return { place: t, key: Math.min(t, place(event.clientX - area.left, area.width)) };
  };
  canvas.addEventListener("pointermove", event => hover(at(event)));
  canvas.addEventListener("click", event => { event.stopPropagation(); set(at(event)); });
  canvas.addEventListener("keydown", event => {
    const [t, s] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
    if (!t && !s) return;
    event.preventDefault();
    const place = Math.max(0, Math.min(T - 1, focus.place + t));
    set({ place, key: Math.max(0, Math.min(place, (view().key ?? strongest(place)) + s)) });
  });
  const current = () => headOf(moment(), view().head);
  const strongest = place => {
    let best = 0;
    for (let s = 0; s <= place; s++) if (Math.abs(current().weight(place, s)) > Math.abs(current().weight(place, best))) best = s;
    return best;
  };
  let drawn = null;
  watch(() => {
    const { place, head: name, key: told } = view(), its = current(), scale = largest(its), key = told ?? strongest(place);
    const copies = its.formula === "pointer";
    title.textContent = called(its);
    strip.textContent = copies ? "how much of what is said at each token is copied" : "length of the value at each token";
    tags.textContent = does(name).length ? `By measurement, it reads: ${does(name).join(", ")}.` : "";
    const state = [name, view().moment, colour("--card")].join();
    if (state !== drawn) {
      drawn = state;
      paint(canvas, T, T, (t, s) => its.weight(t, s) / scale);
      const longest = Math.max(...Array.from({ length: T }, (_, s) => its.value(s))) || 1;
      paint(values, T, 1, (_, s) => its.value(s) / longest, ["--card", "--v", "--v"]);
    }
    const share = 100 / T;
    row.style.cssText = `top:${place * share}%;height:${share}%;width:${(place + 1) * share}%`;
    column.style.cssText = `left:${key * share}%;width:${share}%;height:${(T - key) * share}%`;
    const weight = its.weight(place, key);
    canvas.setAttribute("aria-label", `${T} by ${T} weights; ${token(place)} reads ${token(key)} with ${digits(weight)}`);
    readout.replaceChildren(make("b", { class: "q" }, token(place)), ` (place ${place}) reads `, make("b", { class: "k" }, token(key)), ` (place ${key}) with weight `,
      number(weight, 6), ...copies ? ["; of what is said next, ", make("b", { class: "v" }, number(its.value(place))), " is copied."]
        : ["; the ", make("b", { class: "v" }, "value"), " there has length ", number(its.value(key)), "."]);
    const order = Array.from({ length: place + 1 }, (_, s) => s).sort((a, b) => Math.abs(its.weight(place, b)) - Math.abs(its.weight(place, a)));
    buttons.forEach((button, t) => {
      button.style.setProperty("--share", t <= place ? Math.sqrt(Math.abs(its.weight(place, t)) / scale) : 0);
      button.tabIndex = t === focus.place ? 0 : -1;
      button.setAttribute("aria-label", `place ${t}: ${t ? token(t) : button.textContent}` + (t <= place ? `, read with ${digits(its.weight(place, t), 3)}` : ", comes later"));
    });
    most.replaceChildren(...order.slice(0, 6).map(s => make("li", {}, make("span", { class: "word k" }, token(s)), bar(Math.abs(its.weight(place, s)) / scale), number(its.weight(place, s)))));
    draw(arcs, text, buttons, place, order.slice(0, MOST_ARCS).filter(s => s !== place && Math.abs(its.weight(place, s)) / scale >= LEAST), s => Math.abs(its.weight(place, s)) / scale);
  });
  addEventListener("resize", () => hover({}));
}

/** Arcs from the middle of one token's upper edge to those of the tokens that it reads. */
function draw(arcs, text, buttons, place, keys, share) {
  const area = text.getBoundingClientRect();
  const top = part => { const box = part.getClientRects()[0] ?? part.getBoundingClientRect(); return [box.left + box.width / 2 - area.left, box.top - area.top]; };
  const [x, y] = top(buttons[place]);
  arcs.replaceChildren(...keys.map(s => {
    const [a, b] = top(buttons[s]), path = document.createElementNS("http://www.w3.org/2000/svg", "path"), size = share(s);
    const lift = 10 + Math.min(34, Math.hypot(x - a, y - b) / 5);
    path.setAttribute("d", `M${x} ${y} C${x} ${y - lift} ${a} ${b - lift} ${a} ${b}`);
    path.style.cssText = `stroke-width:${0.8 + 4 * size};opacity:${0.25 + 0.65 * Math.sqrt(size)}`;
    return path;
  }));
}
