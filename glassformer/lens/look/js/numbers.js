// Numbers: from the bytes of a tensor to arrays, and from a number to the digits that are shown.

/** The numbers of a tensor that `encode.py` has written; an f16 is widened, which changes none of its digits. */
export function decode({ type, data }) {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0)).buffer;
  if (type === "i32") return new Int32Array(bytes);
  if (type === "f32") return new Float32Array(bytes);
  return Float32Array.from(new Uint16Array(bytes), half);
}

/** IEEE 754 half precision: a sign, five bits of exponent, ten of fraction. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Four digits, or as many as are asked for. */
export function digits(x, n = 4) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "–" : x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const shown = size >= 1e-3 && size < 1e6 ? x.toPrecision(n) : x.toExponential(n - 1);
  return shown.replaceAll("-", "−").replace("e+", "e");
}

/** An element with attributes and children; `on...` are listeners. */
export function make(tag, attributes = {}, ...children) {
  const part = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) part.addEventListener(name.slice(2), value);
    else part.setAttribute(name, value === true ? "" : value);
  }
  part.append(...children.filter(child => child !== null && child !== undefined));
  return part;
}

/** A number to read: four digits, and all of them for a program and for who points at it. */
export const number = (x, n = 4) => make("data", { value: String(x), title: String(x) }, digits(x, n));

/** A bar from 0 to `share` of its track. */
export const bar = share => {
  const fill = make("i");
  fill.style.cssText = `left:0;width:${100 * Math.max(0, Math.min(1, share))}%`;
  return make("span", { class: "track", "aria-hidden": "true" }, fill);
};

/** The colour of a CSS variable as [r, g, b]. */
export function colour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  const long = text.length === 3 ? [...text].map(digit => digit + digit).join("") : text;
  return [0, 2, 4].map(i => parseInt(long.slice(i, i + 2), 16));
}

/** Draws a grid of shares from -1 to 1 on a canvas, one pixel each: sequential above 0, and below it the other colour. */
export function paint(canvas, width, height, share, names = ["--card", "--seq", "--minus"]) {
  const [ground, plus, minus] = names.map(colour);
  canvas.width = width; canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const s = share(Math.floor(i / width), i % width), goal = s < 0 ? minus : plus, size = Math.sqrt(Math.min(1, Math.abs(s)));
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = ground[c] + (goal[c] - ground[c]) * size;
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
