// Lists in forms: items are added from a template, and taken away.
(() => {
  "use strict";
  const add = (button) => {
    const group = button.closest("fieldset");
    const items = group.querySelector(":scope > ol.items");
    const template = group.querySelector(":scope > template");
    const last = items.lastElementChild && items.lastElementChild.querySelector(":scope > input[type=hidden]");
    const index = last ? Number(last.name.split("#").pop()) + 1 : 0;
    items.insertAdjacentHTML("beforeend", template.innerHTML.replaceAll(button.dataset.addItem, String(index)));
    const first = items.lastElementChild.querySelector("input:not([type=hidden]), select, textarea");
    if (first) first.focus();
  };
  const remove = (button) => {
    const group = button.closest("fieldset");
    button.closest("li").remove();
    group.querySelector(":scope > [data-add-item]").focus();
  };
  const toProblem = (tries = 40) => {
    const first = document.querySelector('.schema-form [aria-invalid="true"], .schema-form .wrong');
    if (!first) {
      if (tries) setTimeout(toProblem, 25, tries - 1);
      return;
    }
    if (first.matches("input, select, textarea")) first.focus();
    first.scrollIntoView({ block: "center" });
  };
  window.orchestrator.toProblem = toProblem;
  document.addEventListener("click", (event) => {
    const found = event.target.closest && event.target.closest("[data-add-item], [data-remove-item]");
    if (!found) return;
    if (found.dataset.addItem) add(found);
    else remove(found);
  });
})();
