"use strict";
// Moves one cursor through all charts and shows the values at its step; the page is complete without it.
const charts = [...document.querySelectorAll(".chart")].map(chart => ({
  plot: chart.querySelector(".plot"),
  cursor: chart.querySelector(".cursor"),
  at: chart.querySelector(".at"),
  values: [...chart.querySelectorAll(".legend b")],
  initial: chart.querySelector(".at").textContent,
  ...JSON.parse(chart.querySelector("script").textContent),
}));

function nearest(steps, wanted) {
  let low = 0, high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low > 0 && wanted - steps[low - 1] < steps[low] - wanted ? low - 1 : low;
}

const number = step => step.toLocaleString("en");

function show(step) {
  for (const chart of charts) {
    chart.at.textContent = step === null ? chart.initial : "step " + number(step);
    chart.lines.forEach((line, n) => {
      const index = step === null ? line.steps.length - 1 : nearest(line.steps, step);
      const elsewhere = step !== null && line.steps[index] !== step ? " at " + number(line.steps[index]) : "";
      chart.values[n].textContent = line.values[index] + elsewhere;
    });
    const x = step === null ? null : 1000 * step / chart.last_step;
    chart.cursor.setAttribute("d", x === null ? "" : `M${x} 0V1000`);
  }
}

for (const chart of charts) {
  const steps = [...new Set(chart.lines.flatMap(line => line.steps))].sort((a, b) => a - b);
  let index = steps.length - 1;
  const go = to => { index = Math.max(0, Math.min(steps.length - 1, to)); show(steps[index]); };
  const follow = event => {
    const box = chart.plot.getBoundingClientRect();
    go(nearest(steps, (event.clientX - box.left) / box.width * chart.last_step));
  };
  chart.plot.addEventListener("pointermove", follow);
  chart.plot.addEventListener("pointerdown", follow);
  chart.plot.addEventListener("pointerleave", () => show(null));
  chart.plot.addEventListener("blur", () => show(null));
  chart.plot.addEventListener("keydown", event => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { event.preventDefault(); go(index + by); }
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details.group").forEach(part => { part.open = true; }));
