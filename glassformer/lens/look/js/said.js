// Direct logit attribution: one bar for each part of the model.
import { decode, make, number } from "./numbers.js";
import { T, data, focus, headOf, moment, set, token, watch, word } from "./focus.js";
import { nextOf } from "./text.js";

const saidOf = (moment, which) => (moment.saidRead ??= {})[which] ??= Object.fromEntries(
  Object.entries(moment.said[which]).map(([name, value]) => [name, name === "parts" ? value : decode(value)]));

/** "blocks.1.mixer.heads.2" as a reader calls it. */
function called(part) {
  const [, layer, , heads, head] = part.split(".");
  return part === "embed" ? "embedding" : heads ? `layer ${layer} head ${head}` : part.endsWith("mlp") ? `layer ${layer} MLP` : `layer ${layer} mixer`;
}

export function said() {
  const box = document.getElementById("said");
  if (!Object.keys(data.moments.at(-1).said).length) return box.replaceChildren("This model has no such picture; the end of this page says why.");
  const choice = (which, text) => make("label", {}, make("input", { type: "radio", name: "which", value: which, onchange: () => set({ which }) }), " ", text);
  const field = make("fieldset", {}, make("legend", {}, "The logit of"), choice("likeliest", "the likeliest next token"), choice("came", "the token that came"));
  const heading = make("p", { class: "readout", role: "status" }), bars = make("div", { class: "bars" });
  box.append(field, heading, bars);
  watch(({ place }) => {
    const which = focus.which, its = saidOf(moment(), which), next = nextOf(moment());
    field.querySelector(`[value=${which}]`).checked = true;
    const likeliest = word(next.top[place * next.k]), name = which === "came" && place + 1 < T ? token(place + 1) : likeliest;
    heading.replaceChildren(`At place ${place} (`, make("b", {}, token(place)), "), the logit of ", make("b", {}, name), " is ", number(its.logit[place]), "; it is the sum of these.");
    const terms = its.parts.map((part, p) => [part, its.terms[p * T + place]]);
    if (its.constant[place]) terms.push(["biases", its.constant[place]]);
    const most = Math.max(...terms.map(([, value]) => Math.abs(value))) || 1;
    const held = bars.contains(document.activeElement) ? document.activeElement.closest("[data-part]").dataset.part : null;
    bars.replaceChildren(...terms.map(([part, value]) => {
      const [, layer, , heads, number_] = part.split("."), head = heads && headOf(moment(), `${layer}.${number_}`) ? `${layer}.${number_}` : null;
      const fill = make("i", { class: value < 0 ? "minus" : "plus" }), size = 50 * Math.abs(value) / most;
      fill.style.cssText = `left:${value < 0 ? 50 - size : 50}%;width:${size}%`;
      const label = part === "biases" ? part : called(part);
      return make("div", { class: "bar-row", "data-head": head, "data-part": part }, head ? make("button", { type: "button" }, label) : make("span", { class: "word" }, label),
        make("span", { class: "track", "aria-hidden": "true" }, fill), number(value));
    }));
    if (held) bars.querySelector(`[data-part="${held}"] button`)?.focus({ preventScroll: true });
  });
}
