// The next token: the model's probabilities, and what each stage of sampling makes of them.
import { bar, decode, digits, make, number } from "./numbers.js";
import { data, focus, moment, watch, word } from "./focus.js";
import { nextOf } from "./text.js";

const V = data.logits.shape[1], logits = decode(data.logits), ROWS = 12;
const KNOBS = {
  temperature: { least: 0, most: 2, step: 0.05, label: "temperature", none: 1 },
  top_k: { least: 0, most: Math.min(100, V), step: 1, label: "top-k (0: all)", none: 0 },
  top_p: { least: 0.05, most: 1, step: 0.01, label: "top-p (1: all)", none: 1 },
  min_p: { least: 0, most: 0.5, step: 0.01, label: "min-p (0: all)", none: 0 },
};

/** Probabilities of scores, some of which may be -Infinity. */
export function softmax(z) {
  const top = z.reduce((a, b) => Math.max(a, b)), e = Float64Array.from(z, x => Math.exp(x - top)), sum = e.reduce((a, b) => a + b);
  return e.map(x => x / sum);
}

/** Each stage as `generate/sampling.py` has it: scores in, scores out, -Infinity for a token that is ruled out. */
export const STAGES = {
  temperature: (z, t) => {
    const top = z.reduce((a, b) => Math.max(a, b));
    return t === 0 ? z.map((x, i) => i === z.indexOf(top) ? 0 : -Infinity) : z.map(x => (x - top) / t);
  },
  top_k: (z, k) => {
    if (!k || k >= z.length) return z;
    const least = Float64Array.from(z).sort().at(-k);
    return z.map(x => x < least ? -Infinity : x);
  },
  top_p: (z, p) => {
    if (p >= 1) return z;
    const probabilities = softmax(z), order = Float64Array.from(probabilities).sort().reverse();
    let before = 0, n = 0;
    while (n < order.length && before < p) before += order[n++];
    return z.map((x, i) => probabilities[i] < order[n - 1] ? -Infinity : x);
  },
  min_p: (z, p) => {
    if (!p) return z;
    const least = z.reduce((a, b) => Math.max(a, b)) + Math.log(p);
    return z.map(x => x < least ? -Infinity : x);
  },
};

/** [[name, probabilities]] of a place: the model's own, then behind each stage. */
export function stagesAt(place, settings) {
  let z = Float64Array.from(logits.subarray((place - data.logits.first) * V, (place - data.logits.first + 1) * V));
  const found = [["model", softmax(z)]];
  for (const [name, stage] of Object.entries(STAGES)) {
    z = stage(z, settings[name]);
    found.push([name, softmax(z)]);
  }
  return found;
}

export function next() {
  const box = document.getElementById("next"), knobs = make("div", { class: "knobs" }), settings = { ...data.sampling };
  for (const [name, { least, most, step, label }] of Object.entries(KNOBS)) {
    const shown = make("output", { id: `${name}-now` }, String(settings[name]));
    const slider = make("input", { type: "range", id: name, min: least, max: most, step, value: settings[name],
      oninput: () => { settings[name] = Number(slider.value); shown.textContent = slider.value; draw(); } });
    knobs.append(make("div", {}, make("label", { for: name }, label, ": ", shown), slider));
  }
  const heading = make("p", { class: "readout", role: "status" }), table = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Probabilities of the next token" });
  box.append(knobs, heading, table);

  let place = focus.place;
  function draw() {
    const its = nextOf(moment()), k = its.k, i = place * k;
    const whole = place >= data.logits.first && focus.moment === data.moments.length - 1;
    knobs.hidden = !whole;
    knobs.style.display = whole ? "" : "none";
    if (!whole) {
      const why = focus.moment === data.moments.length - 1 ? "this page holds the logits of later places only" : "this page holds the logits of the last step only";
      heading.textContent = `Behind place ${place}, before any stage (${why}):`;
      const rows = Array.from({ length: k }, (_, n) => make("tr", {}, make("th", { scope: "row" }, word(its.top[i + n])), make("td", {}, bar(its.p[i + n]), number(its.p[i + n]))));
      return table.replaceChildren(make("table", { class: "stages" }, make("tbody", {}, ...rows)));
    }
    const stages = stagesAt(place, settings), last = stages.at(-1)[1], left = last.reduce((n, p) => n + (p > 0), 0);
    const order = Array.from(stages[0][1].keys()).sort((a, b) => stages[0][1][b] - stages[0][1][a]).slice(0, ROWS);
    heading.replaceChildren(`Behind place ${place} (`, make("b", {}, word(data.tokens[place])), `), ${left.toLocaleString("en")} of ${V.toLocaleString("en")} tokens can be drawn.`);
    const titles = { model: "the model", temperature: "temperature", top_k: "top-k", top_p: "top-p", min_p: "min-p" };
    const row = id => make("tr", { "data-token": id }, make("th", { scope: "row" }, word(id)), make("td", {}, number(logits[(place - data.logits.first) * V + id])),
      ...stages.map(([, p]) => make("td", { class: p[id] > 0 ? null : "out" }, bar(p[id]), p[id] > 0 ? number(p[id]) : "out")));
    table.replaceChildren(make("table", { class: "stages" },
      make("thead", {}, make("tr", {}, ...["token", "logit", ...stages.map(([name]) => titles[name])].map(text => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...order.map(row))));
  }
  watch(view => { place = view.place; draw(); });
}
