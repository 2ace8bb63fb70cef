"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;

// Theme: the system's, until the button says otherwise.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
let theme = dark.matches ? "dark" : "light";
const setTheme = (name) => { theme = name; root.dataset.theme = name; draw(); };
document.getElementById("theme").addEventListener("click", () => setTheme(theme === "dark" ? "light" : "dark"));
dark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));

// Controls of the curves.
const metric = document.getElementById("metric");
const clock = document.getElementById("clock");
const single = document.getElementById("single");
const boxes = (id) => [...document.querySelectorAll(`#${id} input`)];
const chosen = (id) => boxes(id).filter((box) => box.checked).map((box) => box.value);
for (const element of [metric, clock, single, ...boxes("methods"), ...boxes("games")]) {
  element.addEventListener("change", () => draw());
}
for (const button of document.querySelectorAll("button[data-all]")) {
  button.addEventListener("click", () => {
    const all = boxes(button.dataset.all);
    const on = !all.every((box) => box.checked);
    all.forEach((box) => { box.checked = on; });
    draw();
  });
}

// Plotly takes names for its own kind of HTML.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const rgba = (hex, alpha) => {
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
};
const ink = (method) => (theme === "dark" ? data.dark : data.colours)[method];

// The mean over seeds, and their range, at the points that all seeds of a method have.
function summary(seeds, which) {
  const curves = Object.values(seeds).map((one) => new Map(one[which].map((x, at) => [x, one[2][at]])));
  const xs = [...curves[0].keys()].filter((x) => curves.every((curve) => curve.has(x)));
  const at = (x) => curves.map((curve) => curve.get(x));
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return { x: xs, mean: xs.map((x) => mean(at(x))), low: xs.map((x) => Math.min(...at(x))), high: xs.map((x) => Math.max(...at(x))) };
}

function traces(game, panel) {
  const which = clock.value === "updates" ? 1 : 0;
  const axes = { xaxis: `x${panel || ""}`, yaxis: `y${panel || ""}` };
  const traces = [];
  for (const method of chosen("methods")) {
    const seeds = (data.curves[metric.value][game] || {})[method];
    if (!seeds) continue;
    const colour = ink(method);
    const all = summary(seeds, which);
    const common = { ...axes, mode: "lines", hoverlabel: { namelength: -1 } };
    if (single.checked || all.x.length === 0) {
      for (const [seed, one] of Object.entries(seeds)) {
        traces.push({ ...common, x: one[which], y: one[2], name: plain(`${method} · seed ${seed}`),
          line: { color: colour, width: 1 }, opacity: 0.6 });
      }
    } else if (Object.keys(seeds).length > 1) {
      traces.push({ ...common, x: [...all.x, ...[...all.x].reverse()], y: [...all.high, ...[...all.low].reverse()],
        fill: "toself", fillcolor: rgba(colour, 0.15), line: { width: 0 }, hoverinfo: "skip" });
    }
    const line = { color: colour, width: 2, dash: data.dashes[method] || "solid" };
    traces.push({ ...common, x: all.x, y: all.mean, name: plain(method), line });
  }
  return traces;
}

// As many panels side by side as have room, in rows as even as possible.
const room = () => Math.max(1, Math.min(3, Math.floor(document.getElementById("curves").clientWidth / 330)));
const columns = (games) => Math.ceil(games / Math.ceil(games / room())) || 1;

function draw() {
  const games = chosen("games");
  const across = columns(games.length);
  const down = Math.ceil(games.length / across) || 1;
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zeroline: false, linecolor: colour("--line"), automargin: true, nticks: 5, tickangle: 0 };
  const title = (text) => ({ title: { text: plain(text), standoff: 8, font: { size: 12 } } });
  // In pixels: of a panel, between two rows, and above and below all; between columns a share of the width.
  const [tall, gap, top, bottom, aside] = [210, 60, 40, 55, 0.055];
  const inside = down * tall + (down - 1) * gap;
  const domain = (at) => {
    const [row, column] = [Math.floor(at / across), at % across];
    const [wide, lower] = [(1 - (across - 1) * aside) / across, inside - row * (tall + gap) - tall];
    const left = column * (wide + aside);
    return [[left, Math.min(1, left + wide)], [Math.max(0, lower / inside), Math.min(1, (lower + tall) / inside)]];
  };
  const layout = {
    height: inside + top + bottom, margin: { l: 60, r: 10, t: top, b: bottom }, hovermode: "x unified", showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("--text") },
    hoverlabel: { bgcolor: colour("--card"), font: { color: colour("--text") } }, annotations: [],
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") },
  };
  let all = [];
  games.forEach((game, at) => {
    const panel = at ? at + 1 : 0;
    const lowest = at + across >= games.length;
    const [x, y] = domain(at);
    const id = panel || "";
    layout[`xaxis${id}`] = { ...axis, domain: x, anchor: `y${id}`, ...(lowest ? title(clock.selectedOptions[0].textContent) : {}) };
    layout[`yaxis${id}`] = { ...axis, domain: y, anchor: `x${id}`, ...(at % across === 0 ? title(metric.value) : {}) };
    layout.annotations.push({ text: plain(game.replaceAll("_", " ")), showarrow: false, xref: `x${id} domain`,
      yref: `y${id} domain`, x: 0.5, y: 1, yanchor: "bottom" });
    all = all.concat(traces(game, panel));
  });
  Plotly.react("curves", all, layout, { responsive: true, displaylogo: false });
}
let drawn = null;
new ResizeObserver(() => {
  if (drawn !== null && drawn !== room()) draw();
  drawn = room();
}).observe(document.getElementById("curves"));

// Tables: a click on a heading sorts, words filter; only the rows of one page are in the document.
for (const box of document.querySelectorAll(".paged")) {
  const size = Number(box.dataset.rows);
  const body = box.querySelector("tbody");
  const part = (name) => box.querySelector(name);
  const filter = part("input");
  const heads = [...box.querySelectorAll("th")].map((head) => head.textContent);
  const texts = new Map([...body.rows].map((row) => [row, row.textContent.toLowerCase()]));
  let rows = [...body.rows];
  let page = 0;
  const show = () => {
    const words = filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    const matching = rows.filter((row) => words.every((word) => texts.get(row).includes(word)));
    const pages = Math.max(1, Math.ceil(matching.length / size));
    page = Math.max(0, Math.min(page, pages - 1));
    const shown = matching.slice(page * size, (page + 1) * size);
    for (const row of shown) {
      row.hidden = false;
      // A narrow page shows the name of the column beside each cell.
      [...row.cells].forEach((cell, at) => { cell.dataset.label = heads[at]; });
    }
    body.replaceChildren(...shown);
    if (!filter) return;
    const count = part(".count");
    count.textContent = `${matching.length} ${count.dataset.noun}`;
    part(".pager").hidden = pages === 1;
    part(".place").textContent = `page ${page + 1} of ${pages}`;
    part(".previous").disabled = page === 0;
    part(".next").disabled = page === pages - 1;
  };
  box.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {
    const up = head.dataset.up !== "yes";
    head.dataset.up = up ? "yes" : "no";
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (a, b) => (a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : String(a).localeCompare(String(b)));
    rows = rows.sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b)));
    page = 0;
    show();
  }));
  const turn = (by) => () => { page += by; show(); };
  if (filter) {
    filter.addEventListener("input", () => { page = 0; show(); });
    part(".previous").addEventListener("click", turn(-1));
    part(".next").addEventListener("click", turn(1));
  }
  show();
}

// A click on a run shows the end of its log below it, wherever this file is; another click hides it.
const excerpts = JSON.parse((document.getElementById("logs") || { textContent: "[]" }).textContent);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-log]");
  const text = link ? excerpts[link.dataset.log] : null;
  if (!text) return;
  event.preventDefault();
  const row = link.closest("tr");
  if (row.nextElementSibling && row.nextElementSibling.classList.contains("log")) {
    row.nextElementSibling.remove();
    return;
  }
  const below = document.createElement("tr");
  below.className = "log";
  const cell = below.appendChild(document.createElement("td"));
  cell.colSpan = row.cells.length;
  cell.appendChild(document.createElement("pre")).textContent = text;
  const whole = cell.appendChild(document.createElement("a"));
  whole.href = link.getAttribute("href");
  whole.textContent = "the whole log, where the runs lie beside this file";
  row.after(below);
});

setTheme(theme);
