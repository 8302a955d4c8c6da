// What is wider than the page scrolls sideways; with Tab it is reached by the keyboard as well. Sphinx names the headings of its
// contents as such and does not say of which level.
addEventListener("load", () => {
  for (const part of document.querySelectorAll("[role=heading]:not([aria-level])")) part.ariaLevel = 2;
  for (const part of document.querySelectorAll("pre, .table-wrapper")) if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
});
