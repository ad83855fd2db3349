// The run's samples: names, and columns of numbers in whole steps between their lowest and highest value.

const MISSING = 65535;

// How to get a column that the page does not hold; a file can get none.
const remote = { load: null };

async function unpack(text) {
  const compressed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const n = data.samples.length;
  const low = bytes.subarray(4 + length);
  const half = low.length / 2;
  data.columns.forEach((column, index) => {
    const steps = new Uint16Array(n);
    for (let i = 0; i < n; i++) steps[i] = low[index * n + i] | (low[half + index * n + i] << 8);
    column.data = steps;
    column.index = index;
  });
  data.n = n;
  return data;
}

function valueAt(column, i) {
  const step = column.data[i];
  return step === MISSING ? NaN : column.low + (step / column.steps) * (column.high - column.low);
}

function numbersOf(column) {
  return Float64Array.from(column.data, (_, i) => valueAt(column, i));
}

function textAt(column, i) {
  if (column.kind !== "class") return written(valueAt(column, i));
  const step = column.data[i];
  return step === MISSING ? "not known" : column.classes[step];
}

function written(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))).replace("-", "\u2212") : "not known";
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// The range that the colours span: all but the outermost hundredth on each side, so that one sample cannot take it.
function rangeOf(column) {
  const counts = new Float64Array(column.steps + 1);
  let known = 0;
  for (const step of column.data) if (step !== MISSING) { counts[step]++; known++; }
  const at = (share) => {
    let seen = 0;
    for (let step = 0; step <= column.steps; step++) if ((seen += counts[step]) >= share * known) return step;
    return column.steps;
  };
  const [low, high] = [at(0.01), at(0.99)];
  return low < high ? [low, high] : [0, column.steps];
}

// Three bytes for each sample.
function colorsOf(data, column, missing) {
  const colors = new Uint8Array(3 * data.n);
  if (column.kind === "class") {
    const known = column.colors.map(rgb);
    column.data.forEach((step, i) => colors.set(step === MISSING ? missing : known[step], 3 * i));
    return colors;
  }
  const scale = data.scale.map(rgb);
  const [low, high] = rangeOf(column);
  column.data.forEach((step, i) => {
    if (step === MISSING) return colors.set(missing, 3 * i);
    const place = Math.min(1, Math.max(0, (step - low) / (high - low))) * (scale.length - 1);
    const left = Math.min(Math.floor(place), scale.length - 2);
    for (let k = 0; k < 3; k++)
      colors[3 * i + k] = scale[left][k] + (place - left) * (scale[left + 1][k] - scale[left][k]);
  });
  return colors;
}

// How far a group lies from the rest in each column, in standard deviations of all samples; the farthest first.
function differences(data, chosen, kind) {
  return data.columns.filter((column) => column.kind === kind).map((column) => {
    let inside = 0, outside = 0, nInside = 0, nOutside = 0, squares = 0;
    for (let i = 0; i < data.n; i++) {
      const value = valueAt(column, i);
      if (Number.isNaN(value)) continue;
      squares += value * value;
      if (chosen[i]) { inside += value; nInside++; } else { outside += value; nOutside++; }
    }
    const n = nInside + nOutside;
    const mean = (inside + outside) / n;
    const deviation = Math.sqrt(Math.max(0, squares / n - mean * mean));
    const difference = deviation > 1e-9 ? (inside / nInside - outside / nOutside) / deviation : 0;
    return { column, difference };
  }).filter((row) => Number.isFinite(row.difference) && row.difference !== 0)
    .sort((a, b) => Math.abs(b.difference) - Math.abs(a.difference));
}

function classesOf(data, chosen, column) {
  const inside = new Map(), all = new Map();
  for (let i = 0; i < data.n; i++) {
    const name = textAt(column, i);
    all.set(name, (all.get(name) || 0) + 1);
    if (chosen[i]) inside.set(name, (inside.get(name) || 0) + 1);
  }
  return [...inside].map(([name, count]) => ({ name, count, all: all.get(name) })).sort((a, b) => b.count - a.count);
}
