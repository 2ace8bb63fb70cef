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
// Black lines would vanish on a dark page.
const ink = (hex) => {
  const level = [1, 3, 5].reduce((sum, at) => sum + parseInt(hex.slice(at, at + 2), 16), 0);
  return theme === "dark" && level < 200 ? "#d0d3d8" : hex;
};

// The mean over seeds, and their range, at the points that all seeds of a method have.
function summary(seeds, which) {
  const curves = Object.values(seeds).map((one) => new Map(one[which].map((x, at) => [x, one[2][at]])));
  const xs = [...curves[0].keys()].filter((x) => curves.every((curve) => curve.has(x)));
  const at = (x) => curves.map((curve) => curve.get(x));
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return { x: xs, mean: xs.map((x) => mean(at(x))), low: xs.map((x) => Math.min(...at(x))), high: xs.map((x) => Math.max(...at(x))) };
}

function traces(game, panel, first) {
  const which = clock.value === "updates" ? 1 : 0;
  const axes = { xaxis: `x${panel || ""}`, yaxis: `y${panel || ""}` };
  const traces = [];
  for (const method of chosen("methods")) {
    const seeds = (data.curves[metric.value][game] || {})[method];
    if (!seeds) continue;
    const colour = ink(data.colours[method]);
    const all = summary(seeds, which);
    const common = { ...axes, legendgroup: method, mode: "lines", hoverlabel: { namelength: -1 } };
    if (single.checked || all.x.length === 0) {
      for (const [seed, one] of Object.entries(seeds)) {
        traces.push({ ...common, x: one[which], y: one[2], name: plain(`${method} · seed ${seed}`), showlegend: false,
          line: { color: colour, width: 1 }, opacity: 0.6 });
      }
    } else if (Object.keys(seeds).length > 1) {
      traces.push({ ...common, x: [...all.x, ...[...all.x].reverse()], y: [...all.high, ...[...all.low].reverse()],
        fill: "toself", fillcolor: rgba(colour, 0.15), line: { width: 0 }, hoverinfo: "skip", showlegend: false });
    }
    traces.push({ ...common, x: all.x, y: all.mean, name: plain(method), showlegend: first, line: { color: colour, width: 2 } });
  }
  return traces;
}

function draw() {
  const games = chosen("games");
  const across = Math.min(3, Math.max(1, games.length));
  const down = Math.ceil(games.length / across) || 1;
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zeroline: false, linecolor: colour("--line"), automargin: true };
  const layout = {
    grid: { rows: down, columns: across, pattern: "independent", ygap: 0.28, xgap: 0.12 },
    height: 80 + 260 * down, margin: { l: 50, r: 10, t: 40, b: 40 }, hovermode: "x unified",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("--text") },
    hoverlabel: { bgcolor: colour("--card"), font: { color: colour("--text") } },
    legend: { orientation: "h", y: 1 + 60 / (80 + 260 * down), yanchor: "bottom" }, annotations: [],
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") },
  };
  let all = [];
  games.forEach((game, at) => {
    const panel = at ? at + 1 : 0;
    layout[`xaxis${panel || ""}`] = { ...axis };
    layout[`yaxis${panel || ""}`] = { ...axis };
    layout.annotations.push({ text: plain(game.replaceAll("_", " ")), showarrow: false, xref: `x${panel || ""} domain`,
      yref: `y${panel || ""} domain`, x: 0.5, y: 1.12 });
    all = all.concat(traces(game, panel, at === 0));
  });
  Plotly.react("curves", all, layout, { responsive: true, displaylogo: false });
}

// Tables: a click on a heading sorts, words filter; only the rows of one page are in the document.
for (const box of document.querySelectorAll(".paged")) {
  const size = Number(box.dataset.rows);
  const body = box.querySelector("tbody");
  const part = (name) => box.querySelector(name);
  const filter = part("input");
  const texts = new Map([...body.rows].map((row) => [row, row.textContent.toLowerCase()]));
  let rows = [...body.rows];
  let page = 0;
  const show = () => {
    const words = filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    const matching = rows.filter((row) => words.every((word) => texts.get(row).includes(word)));
    const pages = Math.max(1, Math.ceil(matching.length / size));
    page = Math.max(0, Math.min(page, pages - 1));
    const shown = matching.slice(page * size, (page + 1) * size);
    shown.forEach((row) => { row.hidden = false; });
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

setTheme(theme);
