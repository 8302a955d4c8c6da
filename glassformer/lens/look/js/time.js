// The steps of the training: a slider that shows all pictures at an earlier step. Steps stand evenly, whatever lies between.
import { digits, make } from "./numbers.js";
import { data, focus, set, watch } from "./focus.js";

const MOST_LABELS = 8;

export function time() {
  const box = document.getElementById("time"), moments = data.moments;
  if (moments.length < 2) return;
  box.hidden = false;
  const shown = make("output", { for: "step", role: "status" });
  const slider = make("input", { type: "range", id: "step", min: 0, max: moments.length - 1, step: 1, oninput: () => set({ moment: Number(slider.value) }) });
  const losses = moments.map(each => each.loss ?? 0), high = Math.max(...losses), low = Math.min(...losses, 0);
  const at = i => [1 + 98 * i / (moments.length - 1), 40 - 38 * (losses[i] - low) / (high - low || 1)];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 42"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = `<polyline points="${moments.map((_, i) => at(i).join()).join(" ")}"/><line x1="0" x2="0" y1="0" y2="42" stroke="var(--mark)" vector-effect="non-scaling-stroke"/>`;
  const last = moments.length - 1, every = Math.ceil(moments.length / MOST_LABELS);
  const labels = moments.map((each, i) => i === last || i % every === 0 && i <= last - every ? make("span", { style: `--at:${i / last}` }, each.step.toLocaleString("en")) : "");
  box.append(make("label", { for: "step" }, "After training for "), shown, svg, slider, make("div", { class: "labels", "aria-hidden": "true" }, ...labels));
  watch(() => {
    slider.value = focus.moment;
    const { step, loss } = moments[focus.moment];
    shown.textContent = `${step.toLocaleString("en")} steps: this text costs ${loss === null ? "–" : digits(loss)} nats a token`;
    slider.setAttribute("aria-valuetext", shown.textContent);
    const line = svg.querySelector("line"), [x] = at(focus.moment);
    line.setAttribute("x1", x); line.setAttribute("x2", x);
  });
}
