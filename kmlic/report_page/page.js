// Sorts and filters tables. Without it they are complete, in their own order.
for (const box of document.querySelectorAll(".table")) {
  const body = box.querySelector("tbody"), rows = [...body.rows];
  const value = (row, column) => row.cells[column].textContent.trim();
  const number = text => {
    const found = text.replace(/,/g, "").match(/^[-+±]?[\d.]+(e[-+]?\d+)?/);
    return found ? parseFloat(found[0]) : NaN;
  };
  const heads = [...box.querySelectorAll("thead th")];
  if (rows.length > 1) heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const first = numeric ? "descending" : "ascending";
      const other = numeric ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      body.append(...rows.slice().sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        if (!numeric) return sign * x.localeCompare(y);
        const [m, n] = [number(x), number(y)];
        if (isNaN(m) || isNaN(n)) return isNaN(m) - isNaN(n);
        return sign * (m - n);
      }));
    });
  });
  if (!box.hasAttribute("data-filter")) continue;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("span");
  label.className = "filter";
  input.type = "search";
  count.setAttribute("role", "status");
  label.append("Show rows with ", input);
  box.before(label);
  label.append(" ", count);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    count.textContent = wanted ? shown + " of " + rows.length : "";
  });
}
const open = () => {
  const found = location.hash && document.getElementById(location.hash.slice(1));
  for (let each = found; each; each = each.parentElement)
    if (each.tagName === "DETAILS") each.open = true;
  if (found) found.scrollIntoView();
};
addEventListener("hashchange", open);
open();
