// All heads of all layers, as small squares.
import { digits, make, paint } from "./numbers.js";
import { T, data, focus, headOf, layersOf, moment, set, walk, watch } from "./focus.js";

/** What a head was measured to do, if it clearly does: ["name 0.95", ...]. */
export function does(name) {
  return data.measured.flatMap(({ what, passing, heads }) => heads.slice(0, passing)
    .filter(([layer, head]) => `${layer}.${head}` === name).map(([, , score]) => `${what} ${digits(score, 2)}`));
}

/** The largest size of a weight, by which the colours of a head without a softmax are scaled. */
export function largest(head) {
  if (head.softmax) return 1;
  let most = 0;
  for (let t = 0; t < T; t++) for (let s = 0; s <= t; s++) most = Math.max(most, Math.abs(head.weight(t, s)));
  return most || 1;
}

export function gallery() {
  const box = document.getElementById("gallery"), tiles = [], n_layer = data.moments.at(-1).lens.names.length - 1;
  const pointer = layersOf(data.moments.at(-1)).some(([layer]) => layer === n_layer);
  for (let layer = 0; layer < n_layer + pointer; layer++) {
    const found = layersOf(data.moments.at(-1)).find(([number]) => number === layer), copies = layer === n_layer;
    const row = make("div", { class: "layer" }, make("span", {}, copies ? "pointer" : `layer ${layer}`));
    if (!found) row.append(make("p", { class: "soft" }, "has no picture of who reads whom; the end of this page says why."));
    else {
      const [, its] = found, group = make("div", { class: its.numbers.length > 8 ? "tiles-of many" : "tiles-of", role: "group", "aria-label": `heads of layer ${layer}` });
      for (const number of its.numbers) {
        const name = `${layer}.${number}`, canvas = make("canvas", { "aria-hidden": "true" }), tags = does(name);
        const what = its.channels ? "channel" : "head";
        const tile = make("button", { type: "button", class: "tile", "data-head": name, tabindex: -1 },
          canvas, make("span", {}, copies ? "what it copies" : make("span", { class: "hidden" }, `layer ${layer}, `), copies ? "" : `${what} ${number}`), ...tags.map(tag => make("small", {}, tag)));
        tiles.push({ name, canvas, tile });
        group.append(tile);
      }
      row.append(group);
    }
    box.append(row);
  }
  walk(box, ".tile", () => Math.max(1, box.querySelector(".tiles-of")?.children.length ?? 1));
  measured();
  let drawn = null;
  watch((_, kept) => {
    if (kept) for (const { name, tile } of tiles) { tile.tabIndex = name === focus.head ? 0 : -1; tile.setAttribute("aria-pressed", String(name === focus.head)); }
    const key = focus.moment + matchMedia("(prefers-color-scheme: dark)").matches;
    if (drawn === key) return;
    drawn = key;
    for (const { name, canvas } of tiles) {
      const head = headOf(moment(), name), most = largest(head);
      paint(canvas, T, T, (t, s) => head.weight(t, s) / most);
    }
  });
}

/** What heads were measured to do, in a sentence each. */
function measured() {
  const box = document.getElementById("measured");
  if (!data.measured.length) return;
  box.append(make("h3", {}, "What they do, by measurement"), make("p", { class: "soft" },
    "How much of what a head reads is the right place for a question, as a mean over the places that ask. By chance is what a head would score that reads all tokens alike." +
    (data.moments.length > 1 ? " This was measured with the weights of the last step." : "")));
  const list = make("ul", { class: "measured" });
  for (const { what, chance, events, heads, passing } of data.measured) {
    const [layer, head, score] = heads[0], known = headOf(data.moments.at(-1), `${layer}.${head}`);
    const label = `layer ${layer}, head ${head}`;
    const best = known ? make("button", { type: "button", onclick: () => { set({ head: `${layer}.${head}` }); document.getElementById("head-part").scrollIntoView(); } }, label) : label;
    list.append(make("li", {}, make("b", {}, what), ": ", best, ` reads ${digits(score, 3)} there, by chance ${digits(chance, 3)} (${events} ${events === 1 ? "place asks" : "places ask"})`,
      passing ? "" : ". No head is clearly above chance"));
  }
  box.append(list);
}
