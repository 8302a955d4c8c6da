// The focus: which place, head, key and step everybody looks at. It stands in the address of the page.
import { decode } from "./numbers.js";

export const data = JSON.parse(document.getElementById("data").textContent);
export const T = data.tokens.length;
export const word = id => data.vocabulary[id];
export const token = place => word(data.tokens[place]);

/** The layers of a moment that have heads: [layer, {numbers, weights, values, ...}], decoded when they are first needed. */
export function layersOf(moment) {
  moment.read ??= Object.entries(moment.layers).map(([layer, its]) => [Number(layer), {
    ...its, size: its.weights.shape[1], weights: decode(its.weights), values: decode(its.values),
  }]);
  return moment.read;
}

/** What a reader calls a head: "layer 3, head 2". */
export const called = its => its.formula === "pointer" ? "the pointer" : `layer ${its.layer}, ${its.channels ? "channel" : "head"} ${its.number}`;

/** The head "layer.number" of a moment: {layer, number, weight(t, s), value(s), softmax, channels}, or null. */
export function headOf(moment, name) {
  for (const [layer, its] of layersOf(moment)) {
    const row = its.numbers.indexOf(Number(name.split(".")[1]));
    if (String(layer) !== name.split(".")[0] || row < 0) continue;
    return {
      ...its, layer, number: its.numbers[row],
      weight: (t, s) => s > t ? 0 : its.weights[row * its.size + t * (t + 1) / 2 + s],
      value: s => its.values[row * T + s],
    };
  }
  return null;
}

const last = data.moments.length - 1;
const first = Object.entries(data.moments[last].layers)[0];
const named = data.measured.flatMap(each => each.heads.slice(0, 1).map(([layer, head, score]) => [`${layer}.${head}`, score - each.chance]))
  .filter(([name]) => headOf(data.moments[last], name)).sort((a, b) => b[1] - a[1])[0];
const initial = { place: data.place, head: named ? named[0] : first ? `${first[0]}.${first[1].numbers[0]}` : "", key: null, moment: last, which: "likeliest" };
export const focus = { ...initial };
let hovered = {};
const watchers = [];

/** What is looked at now: the focus, with what the pointer is over in its place. */
export const view = () => ({ ...focus, ...hovered });
export const moment = () => data.moments[view().moment];
export const watch = draw => watchers.push(draw);

/** Change the focus for good, and the address with it. */
export function set(change) {
  if (change.place !== undefined && change.key === undefined) change.key = null;
  Object.assign(focus, change);
  hovered = {};
  const told = { place: focus.place, head: focus.head, key: focus.key, step: data.moments[focus.moment].step, word: focus.which };
  const parts = Object.entries(told).filter(([name, value]) => value !== null && value !== "" && !(name === "step" && last === 0));
  try { history.replaceState(null, "", "#" + parts.map(([name, value]) => `${name}=${value}`).join("&")); } catch { /* a frame without an address */ }
  draw(true);
}

/** Look at something as long as the pointer is there. */
export function hover(change) {
  if (JSON.stringify(change) === JSON.stringify(hovered)) return;
  hovered = change;
  draw(false);
}

/** Draw everything that has changed; `kept` says whether the focus itself has. */
function draw(kept) {
  for (const watcher of watchers) watcher(view(), kept);
  mark();
}

const LINKED = [["place", "on", "near"], ["head", "on", "near"]];
function mark() {
  for (const part of document.querySelectorAll(".on, .near")) part.classList.remove("on", "near");
  for (const [name, on, near] of LINKED) {
    for (const part of document.querySelectorAll(`[data-${name}="${focus[name]}"]`)) part.classList.add(on);
    if (name in hovered) for (const part of document.querySelectorAll(`[data-${name}="${hovered[name]}"]`)) part.classList.add(near);
  }
}

/** Read the focus from the address; what is not there stays as it is. */
export function fromAddress() {
  const told = new URLSearchParams(location.hash.slice(1));
  const found = {}, whole = (name, end) => /^\d+$/.test(told.get(name) ?? "") && Number(told.get(name)) < end ? Number(told.get(name)) : null;
  found.place = whole("place", T) ?? focus.place;
  found.key = whole("key", found.place + 1);
  if (told.has("head") && headOf(data.moments[last], told.get("head"))) found.head = told.get("head");
  const step = whole("step", Infinity), far = each => Math.abs(each.step - step);
  if (step !== null) found.moment = data.moments.reduce((best, each, i) => far(each) < far(data.moments[best]) ? i : best, 0);
  if (["came", "likeliest"].includes(told.get("word"))) found.which = told.get("word");
  set(found);
}

/** What an element is about, from its data attributes or those of what it stands in. */
function about(part) {
  const found = {}, place = part.closest("[data-place]"), head = part.closest("[data-head]");
  if (place) found.place = Number(place.dataset.place);
  if (head) found.head = head.dataset.head;
  return found;
}

export function listen() {
  document.addEventListener("pointerover", event => { if (!event.target.closest(".square")) hover(about(event.target)); });
  document.addEventListener("click", event => {
    const found = about(event.target);
    if (Object.keys(found).length) set(found);
  });
  addEventListener("hashchange", fromAddress);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
}

/** Lets the arrow keys walk through the parts of a group, of which one at a time is reached with Tab. */
export function walk(group, selector, columns = null) {
  group.addEventListener("keydown", event => {
    const parts = [...group.querySelectorAll(selector)], here = parts.indexOf(document.activeElement);
    const wide = columns ? columns() : 0;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide, Home: -here, End: parts.length - 1 - here }[event.key];
    if (here < 0 || !by || !parts[here + by]) return;
    event.preventDefault();
    parts[here + by].focus();
    set(about(parts[here + by]));
  });
}
