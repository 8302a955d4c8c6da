"use strict";
// Moves one cursor through all charts with the same horizontal axis (such as steps) and shows the values there. The page is
// complete without this script.
const charts = [...document.querySelectorAll(".chart")].map(chart => ({
  plot: chart.querySelector(".plot"),
  cursor: chart.querySelector(".cursor"),
  at: chart.querySelector(".at"),
  values: [...chart.querySelectorAll(".legend b")],
  initial: [".at", ".legend b"].map(each => [...chart.querySelectorAll(each)].map(part => part.textContent)),
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
const scale = x => x.log ? Math.log : value => value;
const place = (x, step) => (scale(x)(step) - scale(x)(x.low)) / (scale(x)(x.high) - scale(x)(x.low));

function show(name, step) {
  for (const chart of charts.filter(chart => chart.x.name === name)) {
    const [[at], values] = chart.initial;
    const bin = chart.bins && step !== null ? nearest(chart.lines[0].steps, step) : null;
    chart.at.textContent = step === null ? at : name + " " + (bin === null ? number(step) : chart.bins[bin]);
    chart.lines.forEach((line, n) => {
      const index = step === null ? null : nearest(line.steps, step);
      const elsewhere = step !== null && line.steps[index] !== step ? " at " + number(line.steps[index]) : "";
      chart.values[n].textContent = step === null ? values[n] : line.values[index] + elsewhere;
    });
    chart.cursor.setAttribute("d", step === null ? "" : `M${1000 * place(chart.x, step)} 0V1000`);
  }
}

for (const chart of charts) {
  const steps = [...new Set(chart.lines.flatMap(line => line.steps))].sort((a, b) => a - b);
  let index = steps.length - 1;
  const places = steps.map(step => place(chart.x, step));
  const go = to => { index = Math.max(0, Math.min(steps.length - 1, to)); show(chart.x.name, steps[index]); };
  const follow = event => {
    const box = chart.plot.getBoundingClientRect();
    go(nearest(places, (event.clientX - box.left) / box.width));
  };
  chart.plot.addEventListener("pointermove", follow);
  chart.plot.addEventListener("pointerdown", follow);
  chart.plot.addEventListener("pointerleave", () => show(chart.x.name, null));
  chart.plot.addEventListener("blur", () => show(chart.x.name, null));
  chart.plot.addEventListener("keydown", event => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { event.preventDefault(); go(index + by); }
  });
}
// On a narrow screen the style shows a table as a list, in which each cell needs the name of its column.
for (const table of document.querySelectorAll("table")) {
  const names = [...table.querySelectorAll("thead th")].map(cell => cell.innerText.replace(/\s+/g, " "));
  if (!names.length) continue;
  for (const row of table.querySelectorAll("tr")) [...row.cells].forEach((cell, n) => { cell.dataset.name = names[n] ?? ""; });
  table.classList.add("named");
}

addEventListener("beforeprint", () => document.querySelectorAll("details.group").forEach(part => { part.open = true; }));
