// Why a number is this number: its formula, its largest terms, and so on down.
import { digits, make, number } from "./numbers.js";
import { data, focus, set, token, watch } from "./focus.js";

const RULES = {
  sum: "the sum of these terms", product: "the product of these", same: "moved here, and not changed", function: "computed from one number",
  "log of sum": "the logarithm of the sum of these", weight: "a weight of the model, found in training", input: "given to the model", unopened: "made by an operation that has no explanation here",
};

const value = x => typeof x === "string" ? make("data", { value: x }, x.replace("-inf", "−∞")) : number(x, 6);

/** One number, closed; what made it is written when it is opened. */
function item(index) {
  const its = data.reasons[index], made = data.made[its.made];
  const head = [make("code", {}, its.name), " = ", value(its.value)];
  if (!its.rule) return make("li", { "data-number": index }, ...head, make("span", { class: "kind" }, " (not followed further on this page)"));
  if (its.rule === "weight") return make("li", { "data-number": index }, ...head, make("span", { class: "kind" }, ` (a weight; its bytes are 0x${its.bytes})`));
  if (!its.terms?.length) return make("li", { "data-number": index }, ...head, make("span", { class: "kind" }, ` (${RULES[its.rule]})`));
  const details = make("details", {}, make("summary", {}, ...head));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(make("p", {}, make("code", {}, made.formula), ": ", RULES[its.rule], "."));
    if (made.place) details.append(make("p", { class: "soft" }, made.place, " ", make("code", {}, made.line ?? ""), made.source ? `; the formula is written in ${made.source}` : ""));
    details.append(make("ul", {}, ...its.terms.map(term), its.left ? make("li", { class: "kind" }, `${its.left.toLocaleString("en")} smaller terms` + (its.rest === undefined ? "" : `, together ${digits(its.rest)}`)) : null));
  });
  return make("li", { "data-number": index }, details);
}

function term(its) {
  const part = make("li", {}, make("div", { class: "term" }, value(its.value), " from ", make("code", {}, its.label)));
  if (its.of.length) part.append(make("ul", {}, ...its.of.map(item), its.left ? make("li", { class: "kind" }, `and ${its.left.toLocaleString("en")} more numbers`) : null));
  return part;
}

export function why() {
  const box = document.getElementById("why");
  if (!data.roots.length) return box.replaceChildren("This model has no such picture; the end of this page says why.");
  const select = make("select", { id: "why-root", onchange: () => { shown = Number(select.value); draw(); } });
  const tree = make("ul", { class: "why-list" }), note = make("p", { class: "soft" });
  box.append(make("p", {}, make("label", { for: "why-root" }, "Start from "), select), tree, note);
  let shown = 0, place = null, head = null;
  function draw() {
    const root = item(data.roots[shown].number), details = root.querySelector("details");
    tree.replaceChildren(root);
    if (details) details.open = true;
  }
  watch((_, kept) => {
    if (!kept || (place === focus.place && head === focus.head)) return;
    const chosen = head !== null && head !== focus.head;
    [place, head] = [focus.place, focus.head];
    const roots = data.roots.map((root, i) => [i, root]).filter(([, root]) => root.place === place);
    select.replaceChildren(...roots.map(([i, root]) => make("option", { value: i }, root.title)));
    const ofHead = roots.find(([, root]) => `${root.layer}.${root.head}` === head);
    shown = (chosen && ofHead ? ofHead : roots[0])?.[0] ?? 0;
    select.value = shown;
    note.replaceChildren(`These are numbers of place ${place} (`, make("b", {}, token(place)), ") and of the weights as they are now. ");
    if (place !== data.place) note.append(make("button", { type: "button", onclick: () => set({ place: data.place }) }, `Place ${data.place}`), " is followed much deeper, and for its heads too.");
    draw();
  });
}
