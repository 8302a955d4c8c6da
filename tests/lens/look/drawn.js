// Whether each picture is there, and the weight that is looked at.
const weight = document.querySelector("#head-readout data");
return {
  drawn: document.documentElement.dataset.drawn, tiles: document.querySelectorAll(".tile canvas").length,
  said: document.querySelectorAll("#said .bar-row").length, lens: document.querySelectorAll("#lens td[role]").length,
  weight: weight && Number(weight.value), head: new URLSearchParams(location.hash.slice(1)).get("head"),
};
