"use strict";
// Sorts the teams by a column, and shows those that are asked for. Without it the page is a plain table.
(() => {
  const table = document.getElementById("teams-table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const order = new Intl.Collator("en", { numeric: true });
  const text = document.getElementById("text");
  const verdict = document.getElementById("verdict");
  const choices = [...document.querySelectorAll("button[data-teams]")];

  const value = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();

  function sort(head) {
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const values = new Map(rows.map((row) => [row, value(row, column)]));
    rows.sort((one, other) => {
      const [a, b] = [values.get(one), values.get(other)];
      // What has no value comes last, whichever way.
      if (a === "" || b === "") return (a === "") - (b === "");
      return (down ? -1 : 1) * order.compare(a, b);
    });
    body.append(...rows);
  }

  function show() {
    const wanted = text.value.trim().toLowerCase();
    const pressed = choices.find((choice) => choice.getAttribute("aria-pressed") === "true");
    const teams = pressed && new Set(pressed.dataset.teams.split(" "));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(
        words.get(row).includes(wanted) &&
        (!verdict.value || row.dataset.verdict === verdict.value) &&
        (!teams || teams.has(row.id))
      );
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} teams shown`;
  }

  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  for (const choice of choices) {
    choice.hidden = false;
    choice.addEventListener("click", () => {
      const pressed = choice.getAttribute("aria-pressed") === "true";
      for (const other of choices) other.setAttribute("aria-pressed", "false");
      choice.setAttribute("aria-pressed", String(!pressed));
      show();
    });
  }
  text.addEventListener("input", show);
  verdict.addEventListener("change", show);
  document.getElementById("tools").hidden = false;
  show();
})();
