
"use strict";
const NAMES = ["width", "depth", "architecture", "effective_depth", "inputs", "input_dim", "activation", "sparsity", "v_prime"];
const START = {
  a: { width: "3", depth: "20", architecture: "plain", inputs: "gaussian:64", activation: "relu" },
  b: { width: "64", depth: "20", architecture: "residual", effective_depth: "1", inputs: "digits:64", activation: "clipped-shifted-relu", sparsity: "0.85", v_prime: "0.7" },
};
const WAIT = 120, POLL = 400; // milliseconds
const WORKS = ["needed", "simulation", "forecast"];
const PAGE = Array.from(crypto.getRandomValues(new Uint8Array(8)), (n) => n.toString(16).padStart(2, "0")).join("");
const short = (x) => (x === null || x === undefined ? "–" : Number(x.toPrecision(5)).toString());
const percent = (x) => `${Number((100 * x).toPrecision(3))} %`;

// small pieces of the document
function element(name, attributes = {}, ...children) {
  const space = ["svg", "g", "path", "line", "text", "rect", "circle", "title", "desc"].includes(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function table(head, rows) {
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell))));
  const top = head ? [element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell))))] : [];
  return element("table", {}, ...top, element("tbody", {}, ...body));
}

// pictures: linear or logarithmic x, linear y
const WIDE = 340, HIGH = 220, LEFT = 46, RIGHT = 20, TOP = 26, BOTTOM = 38;
function axes({ title, about, xLabel, yLabel, x, y, logX = false, grid = true }) {
  const picture = element("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${title}. ${about}` });
  const f = logX ? Math.log10 : (v) => v;
  const span = f(x[1]) - f(x[0]) || 1;
  const toX = (v) => LEFT + ((f(v) - f(x[0])) / span) * (WIDE - LEFT - RIGHT);
  const toY = (v) => HIGH - BOTTOM - ((v - y[0]) / (y[1] - y[0] || 1)) * (HIGH - TOP - BOTTOM);
  const text = (content, px, py, anchor = "middle", more = {}) => picture.append(element("text", { x: px, y: py, "text-anchor": anchor, ...more }, content));
  for (const v of logX ? decades(x) : ticks(x)) {
    if (grid) picture.append(element("line", { class: "grid", x1: toX(v), x2: toX(v), y1: TOP, y2: HIGH - BOTTOM }));
    text(short(v), toX(v), HIGH - BOTTOM + 14);
  }
  for (const v of ticks(y)) {
    if (grid) picture.append(element("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: toY(v), y2: toY(v) }));
    text(short(v), LEFT - 5, toY(v) + 4, "end");
  }
  picture.append(element("path", { class: "axis", d: `M${LEFT} ${TOP}V${HIGH - BOTTOM}H${WIDE - RIGHT}` }));
  text(xLabel, (LEFT + WIDE - RIGHT) / 2, HIGH - 6);
  text(yLabel, 12, (TOP + HIGH - BOTTOM) / 2, "middle", { transform: `rotate(-90 12 ${(TOP + HIGH - BOTTOM) / 2})` });
  return { picture, toX, toY, text };
}
function ticks([low, high]) {
  const rough = (high - low) / 4 || 1, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * unit >= rough) * unit;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}
function decades([low, high]) {
  const found = [];
  for (let v = 10 ** Math.ceil(Math.log10(low) - 1e-9); v <= high * (1 + 1e-9); v *= 10) found.push(v);
  return found;
}
function curve(plot, xs, ys, kind) {
  const points = xs.map((x, i) => [plot.toX(x), plot.toY(ys[i])]);
  plot.picture.append(element("path", { class: `curve ${kind}`, d: `M${points.map((p) => p.map((v) => v.toFixed(1)).join(" ")).join("L")}` }));
}
function legend(plot, entries) {
  let x = LEFT;
  for (const [label, kind] of entries) {
    plot.picture.append(kind === "dot" ? element("circle", { class: "dot", cx: x + 9, cy: 12, r: 3 }) : element("line", { class: `curve ${kind}`, x1: x, x2: x + 18, y1: 12, y2: 12 }));
    plot.text(label, x + 22, 16, "start");
    x += 34 + 6.2 * label.length;
  }
}

function survivalPicture(found, sampled) {
  const depth = found.depth.at(-1);
  const about = sampled ? `Sampled: ${short(sampled.alive.at(-1))} at depth ${depth}.` : `Bounds at depth ${depth}: ${found.sentence}.`;
  const plot = axes({ title: "P(alive) against depth", about, xLabel: "depth (layers)", yLabel: "P(alive)", x: depth > 1 ? [1, depth] : [0.5, 1.5], y: [0, 1] });
  const shown = [];
  for (const [name, label, kind] of [["lower", "lower bound", "first"], ["upper", "upper bound", "second dashed"]]) {
    if (found[name]) { curve(plot, found.depth, found[name], kind); shown.push([label, kind]); }
  }
  if (sampled) {
    const step = Math.max(1, Math.ceil(sampled.depth.length / 20));
    for (let i = sampled.depth.length - 1; i >= 0; i -= step) {
      const x = plot.toX(sampled.depth[i]);
      if (sampled.low[i] !== null && sampled.high[i] !== null) plot.picture.append(element("line", { class: "bar", x1: x, x2: x, y1: plot.toY(sampled.low[i]), y2: plot.toY(sampled.high[i]) }));
      plot.picture.append(element("circle", { class: "dot", cx: x, cy: plot.toY(sampled.alive[i]), r: 2.5 }));
    }
    shown.push(["sampled", "dot"]);
  }
  legend(plot, shown);
  return plot.picture;
}

function regionPicture(found, width, depth) {
  const { widths, depths, verdicts } = found, top = widths.at(-1), last = depths.at(-1);
  const inside = width <= top && depth <= last;
  const plot = axes({ title: "Safe, undecided and doomed sizes", about: `This design is ${found.here}${inside ? "" : ", outside the picture"}.`, xLabel: "depth (layers)", yLabel: "width (units)", x: [1, last], y: [0.5, top + 0.5], logX: true, grid: false });
  const edge = (i) => plot.toX(i <= 0 ? depths[0] : i >= depths.length ? last : Math.sqrt(depths[i - 1] * depths[i]));
  const names = { s: "safe", u: "undecided", d: "doomed" };
  widths.forEach((n, row) => {
    const letters = verdicts[row];
    for (let i = 0; i < letters.length;) {
      let j = i;
      while (j < letters.length && letters[j] === letters[i]) j++;
      plot.picture.append(element("rect", { class: names[letters[i]], x: edge(i).toFixed(2), width: (edge(j) - edge(i)).toFixed(2), y: plot.toY(n + 0.5).toFixed(2), height: (plot.toY(n - 0.5) - plot.toY(n + 0.5) + 0.3).toFixed(2) }));
      i = j;
    }
  });
  if (inside) plot.picture.append(element("circle", { class: "here", cx: plot.toX(depth), cy: plot.toY(width), r: 5 }));
  let x = LEFT;
  for (const name of ["safe", "undecided", "doomed"]) {
    plot.picture.append(element("rect", { class: name, x, y: 6, width: 12, height: 12 }));
    plot.text(name, x + 16, 16, "start");
    x += 28 + 6.2 * name.length;
  }
  if (inside) {
    plot.picture.append(element("circle", { class: "here", cx: x + 8, cy: 12, r: 4 }));
    plot.text("this design", x + 17, 16, "start");
  }
  return plot.picture;
}

function mapPicture(title, about, labels, xs, ys, end, kind) {
  const plot = axes({ title, about, xLabel: labels[0], yLabel: labels[1], x: [0, end], y: [0, Math.max(end, Math.min(Math.max(...ys), 2 * end))] });
  curve(plot, [0, end], [0, end], "faint dotted");
  const kept = xs.map((x, i) => [x, ys[i]]).filter((p) => p[1] <= 2 * end);
  curve(plot, kept.map((p) => p[0]), kept.map((p) => p[1]), kind);
  plot.text(title, LEFT, 14, "start");
  return plot.picture;
}

class Design {
  constructor(letter) {
    this.letter = letter;
    this.root = document.getElementById("design").content.firstElementChild.cloneNode(true);
    this.root.id = letter;
    this.root.setAttribute("aria-labelledby", `${letter}-title`);
    const heading = this.root.querySelector("h2");
    heading.id = `${letter}-title`;
    heading.textContent = `Design ${letter.toUpperCase()}`;
    this.form = this.root.querySelector("form");
    for (const label of this.root.querySelectorAll("label")) {
      const control = this.control(label.dataset.for);
      control.id = `${letter}-${label.dataset.for}`;
      label.htmlFor = control.id;
    }
    for (const slider of this.sliders()) {
      slider.setAttribute("aria-label", `${this.root.querySelector(`label[data-for=${slider.dataset.slides}]`).textContent}, slider`);
      slider.addEventListener("input", () => { this.control(slider.dataset.slides).value = this.fromSlider(slider); this.changed(); });
    }
    for (const progress of this.root.querySelectorAll("progress")) progress.setAttribute("aria-label", `progress of ${progress.parentElement.dataset.work}`);
    for (const pre of this.root.querySelectorAll("pre")) pre.setAttribute("aria-label", pre.dataset.answer === "python" ? "Python program" : "commands");
    for (const name of NAMES) this.control(name).addEventListener("input", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of this.root.querySelectorAll("[data-copies]")) {
      button.setAttribute("aria-label", `Copy the ${button.dataset.copies === "python" ? "Python program" : "commands"} of design ${letter.toUpperCase()}`);
      button.addEventListener("click", () => copy(this.answer(button.dataset.copies).textContent));
    }
    this.version = 0;
  }
  control(name) { return this.form.elements.namedItem(name); }
  sliders() { return this.root.querySelectorAll("input[type=range]"); }
  answer(name) { return this.root.querySelector(`[data-answer=${name}]`); }
  picture(name, made) { this.root.querySelector(`[data-picture=${name}]`).replaceChildren(...(made ? [made] : [])); }
  counts(slider) { return ["width", "depth"].includes(slider.dataset.slides); }
  fromSlider(slider) { return this.counts(slider) ? Math.round(2 ** slider.value) : slider.value; }

  // the state in the controls, without what does not apply
  get state() {
    const state = {};
    for (const name of NAMES) {
      const control = this.control(name);
      if (!control.disabled && control.value.trim() !== "") state[name] = control.value.trim();
      else if (control.validity.badInput) state[name] = "?";
    }
    return state;
  }
  set state(state) {
    for (const name of NAMES) {
      const control = this.control(name);
      control.value = state[name] ?? (control.tagName === "SELECT" ? control.options[0].value : "");
      if (control.tagName === "SELECT" && control.selectedIndex < 0) control.selectedIndex = 0;
    }
    this.follow();
  }
  follow() {
    const activation = this.control("activation").value;
    const apply = { effective_depth: this.control("architecture").value === "residual", sparsity: activation !== "relu", v_prime: activation.startsWith("clipped") };
    for (const [name, applies] of Object.entries(apply)) this.control(name).disabled = !applies;
    if (apply.sparsity && this.control("sparsity").value === "") this.control("sparsity").value = "0.85";
    if (apply.v_prime && this.control("v_prime").value === "") this.control("v_prime").value = "0.7";
    for (const slider of this.sliders()) {
      const control = this.control(slider.dataset.slides);
      slider.disabled = control.disabled;
      if (this.fromSlider(slider) !== Number(control.value)) slider.value = this.counts(slider) ? Math.log2(Math.max(1, control.value)) : control.value;
      slider.setAttribute("aria-valuetext", control.value);
    }
  }
  changed() { this.follow(); remember(); this.refresh(); }

  refresh() {
    const version = ++this.version;
    this.root.querySelector(".answers").classList.add("stale");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(version), WAIT);
  }
  async get(path, more = {}) {
    try {
      const response = await fetch(`${path}?${new URLSearchParams({ ...more, ...this.asked })}`);
      return await response.json();
    } catch {
      return { error: "the explorer does not answer: is `neurondeath explore` still running?" };
    }
  }
  async ask(version) {
    this.asked = this.state;
    const found = await this.get("/api/design");
    if (version !== this.version) return;
    const error = this.root.querySelector(".error");
    error.hidden = !found.error;
    error.textContent = found.error ?? "";
    if (found.error) return;
    this.root.querySelector(".answers").classList.remove("stale");
    this.found = found;
    this.sampled = null;
    this.show(found);
    for (const kind of WORKS) this.follow_work(kind, version);
  }
  show(found) {
    this.root.querySelector(".network").textContent = `${found.network}; ${found.inputs}`;
    this.answer("survival").textContent = found.survival.sentence;
    const names = { lower: "no lower bound", upper: "no upper bound", living_ratio: "no exact living ratio" };
    const reasons = new Map();
    for (const [name, reason] of Object.entries(found.survival.reasons)) reasons.set(reason, [...(reasons.get(reason) ?? []), names[name] ?? name]);
    this.answer("reasons").replaceChildren(...Array.from(reasons, ([reason, which]) => element("li", {}, `${which.join(", ")}: ${reason}`)));
    this.picture("survival", survivalPicture(found.survival, null));
    const region = found.region, { width, depth } = this.asked;
    this.picture("region", region.reason ? null : regionPicture(region, Number(width), Number(depth)));
    this.answer("region").textContent = region.reason ?? `This design is ${region.here}. ` + (region.note ?? `For P(alive) of at least ${region.goal} on every input set, depth ${depth} needs a width of ${region.min_width}, and width ${width} allows a depth of ${region.max_depth}.`);
    const design = found.design;
    this.answer("verdict").textContent = design.verdict;
    this.answer("design").replaceChildren(table(null, [
      ["activation", design.activation], ["weight variance × fan-in, σ_w²", short(design.sigma_w2)], ["bias variance, σ_b²", short(design.sigma_b2)],
      ["χ₁", short(design.chi1)], ["V′(q*), V″(q*)", `${short(design.v_prime)}, ${short(design.v_second)}`], ["sparsity", percent(design.sparsity)],
    ]));
    const { variance, correlation } = found.maps;
    this.picture("variance", mapPicture("variance map V(q)", `Its slope at q* = ${short(design.q)} is ${short(design.v_prime)}; dotted: V = q.`, ["variance q", "V(q)"], variance.q, variance.v, variance.q.at(-1), "first"));
    this.picture("correlation", mapPicture("correlation map R(ρ)", `Two independent inputs get the correlation ${short(correlation.image[0])}; dotted: R = ρ.`, ["correlation ρ", "R(ρ)"], correlation.rho, correlation.image, 1, "third"));
    this.answer("python").textContent = found.python;
    this.answer("commands").textContent = found.commands;
    this.answer("remedies").replaceChildren();
    this.answer("needed").replaceChildren();
  }
  async follow_work(kind, version) {
    const box = this.root.querySelector(`[data-work=${kind}]`), text = box.querySelector("p"), bar = box.querySelector("progress");
    text.classList.remove("result");
    text.textContent = "waiting";
    bar.hidden = false;
    bar.value = 0;
    for (;;) {
      const found = await this.get("/api/work", { kind, place: PAGE + this.letter });
      if (version !== this.version) return;
      const state = found.state ?? "refused";
      bar.value = found.progress ?? 0;
      bar.hidden = state === "done" || state === "refused";
      text.textContent = found.error ?? found.sentence?.replace(/ trials of .*/, " trials") ?? state;
      text.classList.toggle("result", "sentence" in found);
      if (found.sentence) this.show_work(kind, found);
      if (bar.hidden) return;
      await new Promise((resolve) => setTimeout(resolve, POLL));
      if (version !== this.version) return;
    }
  }
  show_work(kind, found) {
    if (kind === "simulation") this.picture("survival", survivalPicture(this.found.survival, found));
    if (kind === "forecast") {
      const rows = found.remedies.map((one) => [one.name, one.verdict, short(one.score)]);
      this.answer("remedies").replaceChildren(...(rows.length ? [table(["remedy", "verdict", "score"], rows)] : []), element("p", { class: "note" }, found.note ?? ""));
    }
    if (kind === "needed") {
      const rows = found.batches.map((batch, i) => [String(batch), percent(found.mean_shares[i]), `1 / ${short(1 / found.mean_shares[i])}`]);
      this.answer("needed").replaceChildren(table(["batch", "units needed", "weights read"], rows), element("p", { class: "note" }, "Independent inputs, infinite width. What that is worth on this machine: neurondeath speed."));
    }
  }
}

// the link holds both designs
function remember() {
  const both = new URLSearchParams();
  for (const [letter, design] of Object.entries(designs)) for (const [name, value] of Object.entries(design.state)) both.set(`${letter}.${name}`, value);
  history.replaceState(null, "", `#${both}`);
}
function recall() {
  const both = new URLSearchParams(location.hash.slice(1));
  for (const [letter, design] of Object.entries(designs)) {
    const given = NAMES.filter((name) => both.has(`${letter}.${name}`)).map((name) => [name, both.get(`${letter}.${name}`)]);
    design.state = given.length ? { ...START.a, width: "8", ...Object.fromEntries(given) } : START[letter];
    design.refresh();
  }
}
async function copy(text) {
  const said = document.getElementById("said");
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = "copied";
  } catch {
    said.textContent = "the browser did not allow copying: select the text instead";
  }
  setTimeout(() => { said.textContent = ""; }, 3000);
}

const designs = { a: new Design("a"), b: new Design("b") };
document.getElementById("designs").append(designs.a.root, designs.b.root);
document.getElementById("copy-link").addEventListener("click", () => copy(location.href));
document.getElementById("a-to-b").addEventListener("click", () => { designs.b.state = designs.a.state; designs.b.changed(); });
document.getElementById("swap").addEventListener("click", () => {
  [designs.a.state, designs.b.state] = [designs.b.state, designs.a.state];
  designs.a.changed();
  designs.b.changed();
});
window.addEventListener("hashchange", recall);
recall();
remember();
