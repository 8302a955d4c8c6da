// A reader with keys, pointer and addresses.
const key = (part, name) => part.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const place = () => document.querySelector("#text [aria-current]").dataset.place;
const found = {};
const first = document.querySelector("#text [tabindex='0']");
first.focus(); key(first, "ArrowLeft"); await wait();
found.left = [place(), location.hash];
document.querySelector("#text [data-place='3']").dispatchEvent(new PointerEvent("pointerover", { bubbles: true })); await wait();
found.near = [...document.querySelectorAll(".near")].map(part => part.closest("section").id);
found.hovered = [document.getElementById("text-readout").textContent, location.hash];
document.querySelector(".tile[data-head='1.3']").click(); await wait();
found.head = [document.getElementById("head-name").textContent, location.hash];
const canvas = document.querySelector(".square canvas");
canvas.focus(); key(canvas, "ArrowUp"); key(canvas, "ArrowLeft"); await wait();
found.matrix = location.hash;
location.hash = "#place=2&head=0.1&word=came"; await wait(); await wait();
found.back = [place(), document.getElementById("head-name").textContent, document.querySelector("[value=came]").checked];
location.hash = "#place=99999&head=7.7&step=x&key=-1"; await wait(); await wait();
found.nonsense = [place(), document.getElementById("head-name").textContent];
const cell = document.querySelector("#lens td[tabindex='0']"); cell.focus(); key(cell, "ArrowUp"); await wait();
found.lens = document.getElementById("lens-readout").textContent;
const details = document.querySelector("#why details details"); if (details) { details.open = true; await wait(); found.opened = details.querySelectorAll("li").length; }
const slider = document.getElementById("top_k"); slider.value = 3; slider.dispatchEvent(new Event("input")); await wait();
found.left_over = document.querySelector("#next .readout").textContent;
return found;
