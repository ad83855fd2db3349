// The controls around the maps. Names from the data reach the page as text only, never as markup.

const part = (name) => document.getElementById(`explorer-${name}`);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function themeOf() {
  const style = getComputedStyle(part("main"));
  const [page, ink] = ["--page", "--ink"].map((name) => style.getPropertyValue(name).trim());
  return { page: rgb(page), pageText: page, ink, missing: matchMedia("(prefers-color-scheme: dark)").matches ? [84, 88, 96] : [211, 211, 211] };
}

function start(data) {
  const order = Uint32Array.from({ length: data.n }, (_, i) => i);
  const mixed = (i) => (i * 0.6180339887498949) % 1;
  order.sort((a, b) => mixed(a) - mixed(b));
  const shared = { data, order, chosen: null, hovered: -1, found: -1, tool: "move", theme: themeOf(), column: data.columns[data.color] };
  const maps = [...part("main").querySelectorAll("canvas")].map((canvas) => new SampleMap(canvas, shared));
  const redraw = () => maps.forEach((map) => map.invalidate());
  const large = () => maps.find((map) => map.canvas.closest(".view").classList.contains("large"));
  const features = data.features.map((index) => data.columns[index]);
  const genes = new Map(data.columns.filter((column) => column.kind === "gene").map((column) => [column.name, column]));
  const further = new Map(data.remote.map((described, number) => [described.name, { described, number }]));
  const announce = (text) => { part("status").textContent = text; };

  function color(column) {
    shared.column = column;
    shared.colors = colorsOf(data, column, shared.theme.missing);
    part("color").value = String(column.index);
    legend(column);
    redraw();
  }

  function legend(column) {
    const box = part("legend");
    box.replaceChildren(element("h4", { textContent: column.kind === "feature" ? `Feature ${column.name}` : column.name }));
    if (column.kind !== "class") {
      const [low, high] = rangeOf(column).map((step) => written(column.low + (step / column.steps) * (column.high - column.low)));
      const bar = element("div", { className: "ramp" });
      bar.style.background = `linear-gradient(to right, ${data.scale.join(", ")})`;
      box.append(bar, element("div", { className: "ends" }, element("span", { textContent: `${low} or less` }), element("span", { textContent: `${high} or more` })));
      return;
    }
    const counts = new Map();
    for (const step of column.data) counts.set(step, (counts.get(step) || 0) + 1);
    const list = element("ul");
    const entries = column.classes.map((name, k) => [name, column.colors[k], k]);
    if (counts.has(MISSING)) entries.push(["not known", `rgb(${shared.theme.missing.join(", ")})`, MISSING]);
    entries.forEach(([name, tint, k]) => {
      const mark = element("span", { className: "mark" });
      mark.style.background = tint;
      const button = element("button", { type: "button", title: "Choose these samples" }, mark, element("span", { textContent: name }), element("span", { className: "count", textContent: String(counts.get(k) || 0) }));
      button.addEventListener("click", () => shared.choose(Uint8Array.from(column.data, (step) => (step === k ? 1 : 0))));
      list.append(element("li", {}, button));
    });
    box.append(list);
  }

  shared.hover = (i, map, px = 0, py = 0) => {
    const tip = part("tip");
    if (i !== shared.hovered) {
      shared.hovered = i;
      redraw();
    }
    tip.hidden = i < 0;
    if (i < 0) return;
    const shown = [...new Set([data.columns.find((column) => column.kind === "class"), shared.column])].filter(Boolean);
    tip.replaceChildren(element("strong", { textContent: data.samples[i] }), ...shown.map((column) => element("div", { textContent: `${column.name}: ${textAt(column, i)}` })));
    const box = map.canvas.getBoundingClientRect(), all = part("main").getBoundingClientRect();
    const x = box.left - all.left + px, y = box.top - all.top + py;
    tip.style.left = `${Math.max(0, Math.min(x + 14, all.width - tip.offsetWidth))}px`;
    tip.style.top = `${y + 16}px`;
  };

  shared.choose = (chosen) => {
    shared.chosen = chosen && chosen.some((one) => one) ? chosen : null;
    describe();
    redraw();
  };

  function describe() {
    const { chosen } = shared, box = part("group");
    part("tsv").disabled = part("clear").disabled = !chosen;
    if (!chosen) {
      box.replaceChildren(element("p", { textContent: box.dataset.empty }));
      announce("No samples are chosen.");
      return;
    }
    const count = chosen.reduce((sum, one) => sum + one, 0);
    announce(`${count} of ${data.n} samples are chosen.`);
    box.replaceChildren(element("p", {}, element("strong", { textContent: `${count} of ${data.n} samples` })));
    const column = shared.column.kind === "class" ? shared.column : data.columns.find((one) => one.kind === "class");
    if (column) {
      const rows = classesOf(data, chosen, column);
      const lines = rows.slice(0, 8).map((row) => element("li", { textContent: `${row.name}: ${row.count} of ${row.all}` }));
      if (rows.length > 8) lines.push(element("li", { textContent: `and ${rows.length - 8} more` }));
      box.append(element("h4", { textContent: `By ${column.name}` }), element("ul", { className: "plain" }, ...lines));
    }
    if (count === data.n) return;
    for (const [kind, heading, n] of [["feature", "Features that differ most", 6], ["gene", "Genes that differ most", 12]]) {
      const rows = differences(data, chosen, kind).slice(0, n);
      if (!rows.length) continue;
      box.append(element("h4", { textContent: heading }), element("ul", { className: "plain" }, ...rows.map(({ column: one, difference }) => {
        const button = element("button", { type: "button", className: kind, textContent: one.name });
        button.addEventListener("click", () => (kind === "feature" ? tell(one) : color(one)));
        const stability = kind === "feature" && data.meaning[one.name] ? data.meaning[one.name].stability : "";
        return element("li", {}, button, ` ${difference > 0 ? "higher" : "lower"} by ${written(Math.abs(difference))} SD${stability ? ` (stability ${stability})` : ""}`);
      })));
    }
  }

  // A feature: the map in its colours, its genes, and what else is known of it.
  function tell(column) {
    part("feature").value = String(column.index);
    color(column);
    const meaning = data.meaning[column.name] || { up: [], down: [], sets: [], columns: [] }, box = part("meaning");
    box.replaceChildren();
    if (meaning.stability) box.append(element("p", { textContent: `Stability over the members of the ensemble: ${meaning.stability}` }));
    if (meaning.replication) box.append(element("p", { textContent: `Correlation with its match in models of half of the samples: ${meaning.replication}` }));
    for (const [side, heading] of [["up", "Genes that rise with it"], ["down", "Genes that fall with it"]]) {
      if (!meaning[side].length) continue;
      box.append(element("h4", { textContent: heading }), element("p", { className: "genelist" }, ...meaning[side].flatMap(([name, loading], k) => {
        const shown = genes.has(name) || further.has(name) ? element("button", { type: "button", className: "gene", textContent: name, title: `Colour by ${name}; loading ${written(loading)}` }) : element("i", { textContent: name });
        if (shown.type === "button") shown.addEventListener("click", () => (genes.has(name) ? color(genes.get(name)) : bring(name)));
        return k ? [", ", shown] : [shown];
      })));
    }
    if (!meaning.up.length && !meaning.down.length) box.append(element("p", { textContent: "No gene stands out among its loadings." }));
    if (!data.interpreted) box.append(element("p", { textContent: "Gene sets and covariates are not looked for yet: latentome interpret adds them." }));
    else for (const [key, what] of [["sets", "gene set"], ["columns", "covariate"]])
      if (!meaning[key].length) box.append(element("p", { textContent: `No ${what} goes with it beyond chance.` }));
    for (const [key, heading] of [["sets", "Gene sets among them"], ["columns", "What it goes with"]])
      if (meaning[key].length)
        box.append(element("h4", { textContent: heading }), element("ul", { className: "plain" }, ...meaning[key].map((text) => element("li", { textContent: text }))));
    announce(`Feature ${column.name}: the map is coloured by it.`);
  }

  function offer() {
    const [labels, numbers] = ["class", "number"].map((kind) => data.columns.filter((column) => column.kind === kind));
    const measured = [["Features", features], ["Genes", [...genes.values()]]];
    choices(part("color"), [["Labels", labels], ["Quantities", numbers], ...measured]);
    choices(part("feature"), [["Features", features]], "Choose one");
    for (const axis of ["x", "y"]) choices(part(axis), [...measured, ["Quantities", numbers]]);
  }

  function choices(select, groups, none) {
    const before = select.value;
    select.replaceChildren(...groups.filter(([, columns]) => columns.length).map(([label, columns]) =>
      element("optgroup", { label }, ...columns.map((column) => element("option", { value: String(column.index), textContent: column.name })))));
    if (none) select.prepend(element("option", { value: "", textContent: none }));
    select.value = before || (none ? "" : select.options[0].value);
  }

  function matches(text) {
    const wanted = text.toLowerCase(), named = [];
    const consider = (name, act) => {
      const at = name.toLowerCase().indexOf(wanted);
      if (at >= 0) named.push({ name, act, rank: name.length === wanted.length ? -1 : at });
    };
    for (const column of [...features, ...genes.values()]) consider(column.name, () => (column.kind === "feature" ? tell(column) : color(column)));
    for (const name of further.keys()) consider(name, () => bring(name));
    data.samples.forEach((name, i) => consider(name, () => find(i)));
    return named.sort((a, b) => a.rank - b.rank);
  }

  // Get a column from the server, and offer it like those that were here from the start.
  function bring(name) {
    const { described, number } = further.get(name);
    announce(`${name} is on its way.`);
    remote.load(described, number, data.n).then((column) => {
      further.delete(name);
      column.index = data.columns.push(column) - 1;
      if (column.kind === "feature") features.push(column);
      else genes.set(name, column);
      offer();
      announce("");
      if (column.kind === "feature") tell(column);
      else color(column);
    }).catch((failure) => announce(failure.message));
  }

  function find(i) {
    shared.found = i;
    maps.forEach((map) => map.centre(i));
    announce(`${data.samples[i]}: ${textAt(shared.column, i)}. It has a ring on every map.`);
  }

  function pair() {
    const [x, y] = ["x", "y"].map((axis) => data.columns[part(axis).value]);
    maps[maps.length - 1].show("", x, y, true);
  }

  // What is shown at first.
  data.maps.slice(0, maps.length - 1).forEach((map, k) => maps[k].show(map.title, data.columns[map.x], data.columns[map.y], false));
  offer();
  part("x").value = String(features[0].index);
  part("y").value = String(features[Math.min(1, features.length - 1)].index);
  pair();
  shared.colors = colorsOf(data, shared.column, shared.theme.missing);
  color(shared.column);
  describe();
  announce("");

  part("color").addEventListener("change", (event) => color(data.columns[event.target.value]));
  part("feature").addEventListener("change", (event) => event.target.value && tell(data.columns[event.target.value]));
  part("x").addEventListener("change", pair);
  part("y").addEventListener("change", pair);
  part("query").addEventListener("input", (event) => {
    const text = event.target.value.trim();
    part("names").replaceChildren(...(text ? matches(text).slice(0, 12) : []).map((match) => element("option", { value: match.name })));
  });
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = part("query").value.trim(), [first] = text ? matches(text) : [];
    if (first) first.act();
    else announce(text ? `Nothing here is named ${text}.` : "Type the name of a sample, a gene or a feature.");
  });
  part("main").querySelectorAll("input[name=explorer-tool]").forEach((input) => input.addEventListener("change", () => {
    shared.tool = input.value;
    part("main").dataset.tool = input.value;
  }));
  part("main").querySelectorAll("button.enlarge").forEach((button) => button.addEventListener("click", () => {
    part("main").querySelectorAll(".view").forEach((view) => view.classList.toggle("large", view.contains(button)));
  }));
  const act = {
    in: () => large().zoom(1.4), out: () => large().zoom(1 / 1.4), fit: () => { shared.found = -1; maps.forEach((map) => map.fit()); },
    clear: () => shared.choose(null),
    png: () => pictureOf(large(), shared).then((blob) => save("map.png", blob)),
    svg: () => save("map.svg", drawingOf(large(), shared), "image/svg+xml"),
    tsv: () => save("selection.tsv", tableOf(data, shared.chosen, data.maps), "text/tab-separated-values"),
  };
  for (const [name, run] of Object.entries(act)) part(name).addEventListener("click", run);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { shared.theme = themeOf(); color(shared.column); });
  const watch = new ResizeObserver(() => maps.forEach((map) => map.resize()));
  maps.forEach((map) => watch.observe(map.canvas));
}

unpack(document.getElementById("explorer-data").textContent).then((data) => {
  part("wait").hidden = true;
  part("main").hidden = false;
  start(data);
  document.documentElement.dataset.explorer = "ready";
}).catch((failure) => {
  part("wait").textContent = "This browser cannot show the interactive map; the still maps below show the same samples.";
  console.error(failure);
});
