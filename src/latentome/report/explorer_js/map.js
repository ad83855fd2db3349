// One map of the samples. Points are painted into the bytes of the picture: ten thousand of them take a few
// milliseconds, on any machine, with or without a graphics card.

const MARGIN = 26;

class SampleMap {
  constructor(canvas, shared) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.shared = shared;  // data, colors, chosen, hovered, found, tool, theme, and what to call on a change
    this.lasso = null;
    this.waiting = false;
    this.listen();
  }

  show(title, x, y, axes) {
    Object.assign(this, { title, axes, x: numbersOf(x), y: numbersOf(y), names: [x.name, y.name] });
    this.medians = null;
    this.fit();
  }

  // Scale and offset that bring all samples into the window; a map has equal scales, two features have not.
  fit() {
    const { width, height } = this;
    if (!width || !this.x) return;
    const ends = [this.x, this.y].map((values) => {
      let low = Infinity, high = -Infinity;
      for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
      return [low, high > low ? high : low + 1];
    });
    const left = this.axes ? 52 : MARGIN, bottom = this.axes ? 40 : MARGIN;
    let scales = [(width - left - MARGIN) / (ends[0][1] - ends[0][0]), (height - bottom - MARGIN) / (ends[1][1] - ends[1][0])];
    if (!this.axes) scales = [Math.min(...scales), Math.min(...scales)];
    const middle = [(width + left - MARGIN) / 2, (height - bottom + MARGIN) / 2];
    this.scale = scales;
    this.shift = [middle[0] - scales[0] * (ends[0][0] + ends[0][1]) / 2, middle[1] + scales[1] * (ends[1][0] + ends[1][1]) / 2];
    this.fitted = scales[0];
    this.invalidate();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (!box.width || (box.width === this.width && box.height === this.height && ratio === this.ratio)) return;
    Object.assign(this, { width: box.width, height: box.height, ratio });
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.fit();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const wanted = Math.min(200, Math.max(0.2, (this.scale[0] * factor) / this.fitted));
    factor = (wanted * this.fitted) / this.scale[0];
    this.shift = [px + (this.shift[0] - px) * factor, py + (this.shift[1] - py) * factor];
    this.scale = this.scale.map((s) => s * factor);
    this.invalidate();
  }

  pan(dx, dy) {
    this.shift = [this.shift[0] + dx, this.shift[1] + dy];
    this.invalidate();
  }

  centre(i) {
    const [px, py] = this.place(i);
    this.pan(this.width / 2 - px, this.height / 2 - py);
  }

  place(i) {
    return [this.x[i] * this.scale[0] + this.shift[0], this.shift[1] - this.y[i] * this.scale[1]];
  }

  nearest(px, py) {
    let best = -1, least = 100;
    for (let i = 0; i < this.x.length; i++) {
      const [x, y] = this.place(i);
      const away = (x - px) ** 2 + (y - py) ** 2;
      if (away <= least) { best = i; least = away; }
    }
    return best;
  }

  inside(path) {
    const chosen = new Uint8Array(this.x.length);
    for (let i = 0; i < chosen.length; i++) {
      const [x, y] = this.place(i);
      let within = false;
      for (let a = 0, b = path.length - 1; a < path.length; b = a++) {
        const [xa, ya] = path[a], [xb, yb] = path[b];
        if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) within = !within;
      }
      chosen[i] = within ? 1 : 0;
    }
    return chosen;
  }

  listen() {
    const { canvas, shared } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      last = at(event);
      if (shared.tool === "lasso" || event.shiftKey) this.lasso = [last];
    });
    canvas.addEventListener("pointermove", (event) => {
      const [px, py] = at(event);
      if (this.lasso) {
        this.lasso.push([px, py]);
        this.invalidate();
      } else if (last) {
        this.pan(px - last[0], py - last[1]);
        last = [px, py];
      } else shared.hover(this.nearest(px, py), this, px, py);
    });
    const release = (event) => {
      if (this.lasso && event.type === "pointerup" && this.lasso.length > 2) shared.choose(this.inside(this.lasso));
      this.lasso = last = null;
      this.invalidate();
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => shared.hover(-1, this));
    // The wheel scrolls the page until the map was clicked.
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.pan(40, 0), ArrowRight: () => this.pan(-40, 0),
        ArrowUp: () => this.pan(0, 40), ArrowDown: () => this.pan(0, -40),
        "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(),
        Escape: () => shared.choose(null),
      }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  invalidate() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    if (!this.width || !this.x) return;
    const { canvas, context, ratio } = this;
    if (!this.picture || this.picture.width !== canvas.width || this.picture.height !== canvas.height)
      this.picture = context.createImageData(canvas.width, canvas.height);
    this.paint(this.picture, ratio);
    context.putImageData(this.picture, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.write(context);
    this.mark(context);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  // Points in an order that mixes the classes, those that are not chosen first and paler.
  paint(picture, ratio) {
    const { colors, chosen, theme, order } = this.shared;
    const [r, g, b] = theme.page;
    new Uint32Array(picture.data.buffer).fill(((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
    const stamp = stampOf(this.radius() * ratio);
    const [sx, sy] = this.scale.map((s) => s * ratio), [tx, ty] = this.shift.map((t) => t * ratio);
    for (const round of chosen ? [0, 1] : [2])
      for (const i of order)
        if (round === 2 || chosen[i] === round)
          imprint(picture, stamp, Math.round(this.x[i] * sx + tx), Math.round(ty - this.y[i] * sy), colors, 3 * i, round ? 0.9 : 0.13);
  }

  radius() {
    const fair = Math.sqrt((0.035 * this.width * this.height) / this.x.length);
    return Math.min(6, Math.max(1.4, fair)) * Math.min(2, Math.max(1, Math.sqrt(this.scale[0] / this.fitted)));
  }

  write(context) {
    const { theme } = this.shared;
    context.font = "600 11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.strokeStyle = theme.pageText;
    context.fillStyle = theme.ink;
    context.lineWidth = 3;
    for (const { text, x, y } of this.labels((text) => context.measureText(text).width)) {
      context.textAlign = "center";
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
    if (!this.axes) return;
    context.font = "11px system-ui, sans-serif";
    for (const { text, x, y, turn, align } of this.axisTexts()) {
      context.save();
      context.translate(x, y);
      if (turn) context.rotate(-Math.PI / 2);
      context.textAlign = align;
      context.strokeText(text, 0, 0);
      context.fillText(text, 0, 0);
      context.restore();
    }
  }

  // The names of the classes at the medians of their samples, moved up or down where they would cover one another.
  labels(widthOf) {
    const column = this.shared.column;
    if (!column || column.kind !== "class" || column.classes.length > 40 || this.small()) return [];
    if (column.classes.some((name) => name.length > 16)) return [];
    if (!this.medians || this.medians.column !== column) this.medians = { column, rows: mediansOf(this, column) };
    const placed = [];
    for (const { name, x: mx, y: my } of this.medians.rows) {
      const x = mx * this.scale[0] + this.shift[0], y0 = this.shift[1] - my * this.scale[1];
      if (x < 0 || x > this.width || y0 < 0 || y0 > this.height) continue;
      const half = widthOf(name) / 2 + 2;
      for (const step of [0, -13, 13, -26, 26]) {
        const y = y0 + step;
        if (placed.every((other) => Math.abs(other.x - x) > half + other.half || Math.abs(other.y - y) > 12)) {
          placed.push({ text: name, x, y, half });
          break;
        }
      }
    }
    return placed;
  }

  small() { return this.width < 380; }

  axisTexts() {
    const { width, height } = this;
    const [left, right] = [52, width - MARGIN].map((px) => (px - this.shift[0]) / this.scale[0]);
    const [low, high] = [height - 40, MARGIN].map((py) => (this.shift[1] - py) / this.scale[1]);
    return [
      { text: this.names[0], x: width / 2, y: height - 9, align: "center" },
      { text: written(left), x: 52, y: height - 25, align: "center" },
      { text: written(right), x: width - MARGIN, y: height - 25, align: "center" },
      { text: this.names[1], x: 11, y: height / 2, turn: true, align: "center" },
      { text: written(low), x: 44, y: height - 40, align: "right" },
      { text: written(high), x: 44, y: MARGIN, align: "right" },
    ];
  }

  mark(context) {
    const { hovered, found, theme } = this.shared;
    context.strokeStyle = theme.ink;
    for (const i of [hovered, found].filter((one) => one >= 0)) {
      const [x, y] = this.place(i);
      context.lineWidth = i === found ? 3 : 2;
      context.beginPath();
      context.arc(x, y, this.radius() + 4, 0, 2 * Math.PI);
      context.stroke();
    }
    if (!this.lasso) return;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    this.lasso.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.stroke();
    context.setLineDash([]);
  }
}

function mediansOf(map, column) {
  const members = column.classes.map(() => []);
  column.data.forEach((step, i) => { if (step !== MISSING) members[step].push(i); });
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  return column.classes.map((name, k) => ({
    name, n: members[k].length, x: middle(members[k].map((i) => map.x[i])), y: middle(members[k].map((i) => map.y[i])),
  })).filter((row) => row.n).sort((a, b) => b.n - a.n);
}

// A disc as offsets and how far it covers each dot of the picture.
const stamps = new Map();
function stampOf(radius) {
  const key = Math.round(radius * 4);
  if (stamps.has(key)) return stamps.get(key);
  const reach = Math.ceil(radius + 0.5), dots = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (cover > 0) dots.push([dx, dy, cover]);
    }
  const [dx, dy, cover] = [0, 1, 2].map((k) => Float32Array.from(dots, (dot) => dot[k]));
  stamps.set(key, { reach, dx, dy, cover });
  return stamps.get(key);
}

function imprint(picture, stamp, x, y, colors, at, strength) {
  const { width, height, data } = picture, { reach, dx, dy, cover } = stamp;
  if (x < -reach || y < -reach || x >= width + reach || y >= height + reach) return;
  const r = colors[at], g = colors[at + 1], b = colors[at + 2];
  for (let dot = 0; dot < cover.length; dot++) {
    const px = x + dx[dot], py = y + dy[dot];
    if (px < 0 || py < 0 || px >= width || py >= height) continue;
    const k = 4 * (py * width + px), a = cover[dot] * strength;
    data[k] += (r - data[k]) * a;
    data[k + 1] += (g - data[k + 1]) * a;
    data[k + 2] += (b - data[k + 2]) * a;
  }
}
