// The text: one button for each token, coloured by its loss.
import { decode, digits, make, number } from "./numbers.js";
import { T, data, focus, moment, token, walk, watch, word } from "./focus.js";

/** A loss as a share of the colour: 6 nats, a token that one would guess once in 400 times, is the whole of it. */
export const shareOfLoss = nats => Number.isNaN(nats) ? 0 : Math.min(1, nats / 6);

/** The buttons of all tokens; `inLines` puts a break behind each one that ends a line. */
export const inLines = buttons => buttons.flatMap(button => button.textContent.endsWith("⏎") ? [button, make("br")] : [button]);
export function tokens() {
  return Array.from({ length: T }, (_, place) => {
    const text = token(place), special = place === 0 && text.startsWith("<|");
    const shown = special ? "⟨start⟩" : text.replaceAll("·", " ");
    return make("button", { type: "button", "data-place": place, class: special ? "start" : null, tabindex: -1 }, shown);
  });
}

export const natsOf = moment => moment.natsRead ??= decode(moment.nats);
export const nextOf = moment => moment.nextRead ??= { k: moment.next.top.shape[1], ...Object.fromEntries(
  Object.entries(moment.next).map(([name, value]) => [name, decode(value)])) };
export const lensOf = moment => moment.lensRead ??= Object.fromEntries(
  Object.entries(moment.lens).map(([name, value]) => [name, name === "names" ? value : decode(value)]));

export function text() {
  const box = document.getElementById("text"), readout = document.getElementById("text-readout");
  const buttons = tokens();
  box.setAttribute("role", "group"); box.setAttribute("aria-label", "The tokens of the text");
  box.append(...inLines(buttons));
  walk(box, "button");
  const scale = make("i");
  scale.style.background = "linear-gradient(90deg, transparent, color-mix(in srgb, var(--loss) var(--heat), transparent))";
  document.getElementById("text-scale").append("0 nats", scale, "6 nats and more");
  watch(({ place }) => {
    const nats = natsOf(moment()), next = nextOf(moment());
    buttons.forEach((button, t) => {
      button.style.setProperty("--share", shareOfLoss(nats[t]));
      button.tabIndex = t === focus.place ? 0 : -1;
      button.setAttribute("aria-label", `place ${t}: ${t ? token(t) : button.textContent}, ` + (t ? `${digits(nats[t], 3)} nats` : "given"));
      if (t === focus.place) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    });
    readout.replaceChildren(`Place ${place}: `, make("b", {}, token(place)), ` (id ${data.tokens[place]}) `);
    if (place === 0) return readout.append("was given: nobody predicted it.");
    const rank = next.rank[place - 1];
    readout.append("cost ", number(nats[place]), " nats: the model gave it a probability of ", number(Math.exp(-nats[place])),
      rank === 0 ? ", more than to any other token." : `; ${rank.toLocaleString("en")} ${rank === 1 ? "token was" : "tokens were"} likelier, first of all `);
    if (rank) readout.append(make("b", {}, word(next.top[(place - 1) * next.k])), ".");
  });
}
