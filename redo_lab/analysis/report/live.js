
// Served, the page takes up a new version of itself, with the choices and the place that its reader had.
const KEY = "redo-lab-live";
const inputs = () => [...document.querySelectorAll(".controls input, .controls select")];
const restore = () => {
  const saved = JSON.parse(sessionStorage.getItem(KEY) || "null");
  sessionStorage.removeItem(KEY);
  if (!saved) return;
  for (const input of inputs()) {
    const was = saved.inputs[input.id || input.value];
    if (was === undefined) continue;
    if (input.type === "checkbox") input.checked = was;
    else if ([...input.options].some((option) => option.value === was)) input.value = was;
  }
  setTheme(saved.theme);
  window.scrollTo(0, saved.scroll);
};
const renew = () => {
  const state = (input) => [input.id || input.value, input.type === "checkbox" ? input.checked : input.value];
  const saved = { inputs: Object.fromEntries(inputs().map(state)), theme, scroll: window.scrollY };
  sessionStorage.setItem(KEY, JSON.stringify(saved));
  location.reload();
};
if (location.protocol.startsWith("http")) {
  restore();
  let version = null;
  setInterval(async () => {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
    const tag = answer && answer.ok ? answer.headers.get("ETag") : null;
    if (tag && version && tag !== version) renew();
    version = tag || version;
  }, 2000);
}
