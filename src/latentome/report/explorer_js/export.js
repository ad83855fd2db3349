// What leaves the page: the map as a picture or a drawing, the chosen samples as a table.

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Spreadsheets take a text that begins like this for a formula; an apostrophe in front keeps it a text.
function cell(value) {
  const text = String(value).replace(/[\t\r\n]+/g, " ");
  return /^[=+\-@]/.test(text) && !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? "'" + text : text;
}

function tableOf(data, chosen, maps) {
  const columns = data.columns.filter((column) => column.kind !== "map" && column.kind !== "gene");
  const places = maps.flatMap((map) => [data.columns[map.x], data.columns[map.y]]);
  const number = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(5))) : "");
  const rows = [["sample", ...[...columns, ...places].map((column) => column.name)].map(cell)];
  for (let i = 0; i < data.n; i++)
    if (chosen[i])
      rows.push([
        cell(data.samples[i]),
        ...columns.map((column) =>
          column.kind === "class" ? (column.data[i] === MISSING ? "" : cell(textAt(column, i))) : number(valueAt(column, i))),
        ...places.map((column) => number(valueAt(column, i))),
      ]);
  return rows.map((row) => row.join("\t")).join("\n") + "\n";
}

function markup(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

// The entries of the legend beside an exported map; quantities get steps of their scale.
function legendOf(data, column) {
  if (column.kind === "class") return column.classes.map((name, k) => ({ name, color: column.colors[k] }));
  const [low, high] = rangeOf(column);
  return [1, 0.75, 0.5, 0.25, 0].map((share) => ({
    name: written(column.low + ((low + share * (high - low)) / column.steps) * (column.high - column.low)),
    color: data.scale[Math.round(share * (data.scale.length - 1))],
  }));
}

function layoutOf(map, data, column) {
  const entries = legendOf(data, column), rows = Math.max(1, Math.floor((map.height - 30) / 16));
  const shown = entries.slice(0, 4 * rows);
  const longest = shown.reduce((most, entry) => Math.max(most, entry.name.length), column.name.length);
  const wide = 22 + 6.6 * Math.min(longest, 40);
  return {
    width: map.width + wide * Math.ceil(shown.length / rows) + 10,
    height: map.height + 24,
    heading: `${map.title || map.names.join(" and ")}, coloured by ${column.name}`,
    legend: shown.map((entry, k) => ({
      ...entry, name: entry.name.slice(0, 40), x: map.width + 12 + wide * Math.floor(k / rows), y: 40 + 16 * (k % rows),
    })),
  };
}

// Exports are for paper: dark ink on white, whatever the page looks like.
const PAPER = { page: [255, 255, 255], pageText: "#ffffff", ink: "#1d2129", missing: [211, 211, 211] };

function pictureOf(map, shared, times = 3) {
  const { data, column } = shared, layout = layoutOf(map, data, column);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(layout.width * times);
  canvas.height = Math.round(layout.height * times);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const kept = [shared.theme, shared.colors];
  shared.theme = PAPER;
  shared.colors = colorsOf(data, column, PAPER.missing);
  const picture = context.createImageData(Math.round(map.width * times), Math.round(map.height * times));
  map.paint(picture, times);
  context.putImageData(picture, 0, 24 * times);
  context.setTransform(times, 0, 0, times, 0, 24 * times);
  map.write(context);
  [shared.theme, shared.colors] = kept;
  context.setTransform(times, 0, 0, times, 0, 0);
  context.textAlign = "left";
  context.fillStyle = PAPER.ink;
  context.font = "600 13px system-ui, sans-serif";
  context.fillText(layout.heading, 10, 13);
  context.font = "11px system-ui, sans-serif";
  for (const entry of layout.legend) {
    context.fillStyle = entry.color;
    context.beginPath();
    context.arc(entry.x, entry.y, 4.5, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = PAPER.ink;
    context.fillText(entry.name, entry.x + 10, entry.y);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function drawingOf(map, shared) {
  const { data, column, chosen } = shared, layout = layoutOf(map, data, column);
  const colors = colorsOf(data, column, PAPER.missing), radius = map.radius().toFixed(2), parts = [];
  const inWindow = ([x, y]) => x > -9 && y > -9 && x < map.width + 9 && y < map.height + 9;
  for (const i of shared.order) {
    const [x, y] = map.place(i);
    if (!inWindow([x, y])) continue;
    const faded = chosen && !chosen[i] ? ' opacity="0.15"' : "";
    const hex = [0, 1, 2].map((k) => colors[3 * i + k].toString(16).padStart(2, "0")).join("");
    parts.push(`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius}" fill="#${hex}"${faded}/>`);
  }
  const words = map.labels((text) => 6.5 * text.length).map(({ text, x, y }) =>
    `<text x="${x.toFixed(1)}" y="${(y + 4).toFixed(1)}" text-anchor="middle" font-weight="600" stroke="#fff" stroke-width="3" paint-order="stroke">${markup(text)}</text>`);
  const axes = map.axes ? map.axisTexts().map(({ text, x, y, turn, align }) =>
    `<text transform="translate(${x} ${y + (turn ? 0 : 4)})${turn ? " rotate(-90)" : ""}" text-anchor="${align === "right" ? "end" : "middle"}">${markup(text)}</text>`) : [];
  const legend = layout.legend.map((entry) =>
    `<circle cx="${entry.x}" cy="${entry.y}" r="4.5" fill="${entry.color}"/><text x="${entry.x + 10}" y="${entry.y + 4}">${markup(entry.name)}</text>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${layout.height}" viewBox="0 0 ${layout.width} ${layout.height}" font-family="Arial, Helvetica, sans-serif" font-size="11" fill="#1d2129">`,
    `<title>${markup(layout.heading)}</title><rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="10" y="17" font-size="13" font-weight="600">${markup(layout.heading)}</text>`,
    `<svg y="24" width="${map.width}" height="${map.height}" overflow="hidden">`, ...parts, ...words, ...axes, "</svg>",
    ...legend, "</svg>",
  ].join("\n");
}
