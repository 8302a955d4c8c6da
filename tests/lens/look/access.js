// What those need who do not see well, or use no mouse: contrast, names, roles, sizes, one tab stop for each group.
const parse = text => { const n = text.match(/[\d.e-]+/g).map(Number); return text.startsWith("color(") ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1]; };
const behind = part => {
  let [r, g, b, a] = [0, 0, 0, 0];
  for (let p = part; p && a < 0.999; p = p.parentElement) {
    const [r2, g2, b2, a2] = parse(getComputedStyle(p).backgroundColor.replace("srgb", ""));
    const more = a2 * (1 - a); r += r2 * more; g += g2 * more; b += b2 * more; a += more;
  }
  return [r, g, b].map(c => c + (a < 0.999 ? 255 * (1 - a) : 0));
};
const light = c => c.slice(0, 3).map(x => x / 255).map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
document.querySelectorAll("details").forEach(part => { part.open = true; }); await wait();
const faint = [], nameless = [], ids = [...document.querySelectorAll("[id]")].map(part => part.id);
for (const part of document.querySelectorAll("main *")) {
  const texts = [...part.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
  if (!texts.length || part.closest("script, noscript, option, .hidden") || !part.getClientRects().length) continue;
  const ratio = contrast(parse(getComputedStyle(part).color.replace("srgb", "")), behind(part));
  if (ratio < 4.5) faint.push([part.tagName, part.className, part.textContent.slice(0, 20), ratio]);
}
const named = part => part.getAttribute("aria-label") || part.textContent.trim() || (part.labels && part.labels.length) || part.getAttribute("aria-labelledby");
for (const part of document.querySelectorAll("button, input, select, a, canvas[role], [role=grid], [role=group], [role=region], section")) if (!named(part)) nameless.push(part.outerHTML.slice(0, 90));
for (const part of document.querySelectorAll("button[aria-label]")) {
  if (!part.getAttribute("aria-label").includes(part.textContent.trim())) nameless.push(part.outerHTML.slice(0, 90));
}
const levels = [...document.querySelectorAll("h1, h2, h3")].map(part => Number(part.tagName[1]));
const canvases = [...document.querySelectorAll("canvas")].filter(part => !part.getAttribute("role") && !part.getAttribute("aria-hidden")).length;
const small = [...document.querySelectorAll(".tile, #text button, input[type=range]")].filter(part => part.getBoundingClientRect().height < 24).map(part => part.outerHTML.slice(0, 80) + part.getBoundingClientRect().height);
const stops = [...document.querySelectorAll("#text button")].filter(part => part.tabIndex === 0).length;
return { faint, nameless, twice: ids.filter((id, i) => ids.indexOf(id) !== i), skipped: levels.filter((level, i) => i && level > levels[i - 1] + 1).length, canvases, small, stops, lang: document.documentElement.lang };
