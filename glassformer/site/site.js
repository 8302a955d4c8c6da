// What is wider than the page scrolls sideways; with Tab it is reached by the keyboard as well.
addEventListener("load", () => {
  for (const part of document.querySelectorAll("pre, .table-wrapper")) if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
});
