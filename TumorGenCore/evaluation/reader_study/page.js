"use strict";
// Shows the cubes of a reader study and collects the answers. The cubes have the axes (k, j, i): z, y, x.

const ANSWERS_FORMAT = "tumorgen reader-study answers";
const WINDOW = [0, 10]; // SUV, the same for every lesion until the reader changes it
const RATINGS = ["surely real", "probably real", "cannot tell", "probably synthetic", "surely synthetic"];
// Axis that a plane lies across, axes to the right and downward, and whether down counts backward. 0, 1, 2 is x, y, z.
const PLANES = [
  { name: "Axial", across: 2, right: 0, down: 1, up: false },
  { name: "Coronal", across: 1, right: 0, down: 2, up: true },
  { name: "Sagittal", across: 0, right: 1, down: 2, up: true },
];

const byId = (name) => document.getElementById(name);
const study = JSON.parse(byId("study").textContent);
const edge = study.edge;
const answers = new Map(); // name of the lesion -> rating, seconds, window
let at = 0; // number of the lesion shown
let cube = null; // its levels, or null while they are unpacked
let point = [0, 0, 0]; // x, y, z of the planes, voxels
let shades = [...WINDOW]; // ends of the gray scale, SUV
let active = 0; // number of the plane that the arrow keys scroll
let since = null; // when the reader began to look at the lesion
let unsaved = false;

// ---- The cubes

async function unpacked(lesion) {
  const packed = Uint8Array.from(atob(lesion.voxels), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = edge ** 3;
  return Float32Array.from({ length: count }, (_, n) => lesion.step * (bytes[n] + 256 * bytes[count + n]));
}

// ---- Drawing

const picture = document.createElement("canvas");
picture.width = picture.height = edge;

function draw(number) {
  const { canvas, slider, output } = views[number];
  const { across, right, down, up } = PLANES[number];
  slider.value = point[across];
  output.textContent = `${point[across] + 1} of ${edge}`;
  const size = Math.round(canvas.clientWidth * devicePixelRatio);
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  if (!cube) {
    context.clearRect(0, 0, size, size);
    return;
  }
  const strides = [1, edge, edge * edge];
  const pixels = new ImageData(edge, edge);
  const inverse = byId("inverse").checked;
  const [low, high] = shades;
  for (let row = 0; row < edge; row++) {
    const base = point[across] * strides[across] + (up ? edge - 1 - row : row) * strides[down];
    for (let column = 0; column < edge; column++) {
      const share = Math.min(1, Math.max(0, (cube[base + column * strides[right]] - low) / (high - low)));
      const gray = 255 * (inverse ? 1 - share : share);
      pixels.data.set([gray, gray, gray, 255], 4 * (row * edge + column));
    }
  }
  picture.getContext("2d").putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, size, size);
  drawScale(context, size);
  if (byId("lines").checked) drawLines(context, size, point[right], up ? edge - 1 - point[down] : point[down]);
}

function drawScale(context, size) {
  const length = (20 / (edge * study.lesions[at].mm)) * size;
  const unit = size / 400;
  context.strokeStyle = context.fillStyle = "#2f7fd6";
  context.lineWidth = 2 * unit;
  context.beginPath();
  context.moveTo(12 * unit, size - 12 * unit);
  context.lineTo(12 * unit + length, size - 12 * unit);
  context.stroke();
  context.font = `${12 * unit}px sans-serif`;
  context.fillText("2 cm", 12 * unit, size - 18 * unit);
}

function drawLines(context, size, column, row) {
  const [x, y] = [column, row].map((n) => ((n + 0.5) / edge) * size);
  context.strokeStyle = "#d6862f";
  context.lineWidth = size / 400;
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, size);
  context.moveTo(0, y);
  context.lineTo(size, y);
  context.stroke();
}

function drawAll() {
  byId("window").textContent = `SUV ${shades[0].toFixed(1)} to ${shades[1].toFixed(1)}`;
  PLANES.forEach((_, number) => {
    views[number].box.classList.toggle("active", number === active);
    draw(number);
  });
}

// ---- Scrolling and the gray scale

function moveTo(axis, value) {
  point[axis] = Math.min(edge - 1, Math.max(0, Math.round(value)));
}

function scroll(steps) {
  const { across } = PLANES[active];
  moveTo(across, point[across] + steps);
  drawAll();
}

function setWindow(low, high) {
  const top = Math.min(100, Math.max(0.5, high));
  shades = [Math.min(top - 0.2, Math.max(0, low)), top];
  drawAll();
}

function choose(number) {
  active = (number + PLANES.length) % PLANES.length;
  drawAll();
}

function makeView({ name, across, right, down, up }, number) {
  const box = document.createElement("div");
  box.className = "plane";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name} plane`);
  const row = document.createElement("div");
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: edge - 1 });
  slider.setAttribute("aria-label", `${name} slice`);
  const output = document.createElement("output");
  row.append(name, slider, output);
  box.append(canvas, row);
  byId("planes").append(box);

  slider.addEventListener("input", () => {
    active = number;
    moveTo(across, Number(slider.value));
    drawAll();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    active = number;
    scroll(Math.sign(event.deltaY));
  }, { passive: false });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, shades: [...shades], moved: false };
    choose(number);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved ||= Math.hypot(x, y) > 4;
    if (drag.moved) setWindow(drag.shades[0] + x / 50, drag.shades[1] * 2 ** (-y / 150));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) {
      const scale = edge / canvas.clientWidth;
      const line = (event.offsetY - canvas.clientTop) * scale - 0.5;
      moveTo(right, (event.offsetX - canvas.clientLeft) * scale - 0.5);
      moveTo(down, up ? edge - 1 - line : line);
      drawAll();
    }
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  return { box, canvas, slider, output };
}

// ---- Answers

function stopClock() {
  if (since === null) return 0;
  const seconds = (performance.now() - since) / 1000;
  since = null;
  return seconds;
}

const looked = new Map(); // name of the lesion -> seconds so far

function pause() {
  const { id } = study.lesions[at];
  looked.set(id, (looked.get(id) || 0) + stopClock());
}

async function show(number) {
  pause();
  at = number;
  const lesion = study.lesions[at];
  cube = null;
  point = [0, 1, 2].map(() => Math.floor(edge / 2));
  shades = [...WINDOW];
  byId("reading").dataset.lesion = "";
  byId("progress").textContent = `Lesion ${at + 1} of ${study.lesions.length}, ${answers.size} answered`;
  byId("bar").firstElementChild.style.width = `${(100 * answers.size) / study.lesions.length}%`;
  byId("back").disabled = at === 0;
  ratings.forEach((button, n) => {
    button.setAttribute("aria-pressed", String(answers.get(lesion.id)?.rating === n + 1));
  });
  turnTo("reading");
  drawAll();
  const levels = await unpacked(lesion);
  if (study.lesions[at] !== lesion) return; // the reader went on meanwhile
  cube = levels;
  drawAll();
  byId("reading").dataset.lesion = lesion.id;
  since = performance.now();
}

function rate(rating) {
  if (!cube) return;
  const { id } = study.lesions[at];
  pause();
  answers.set(id, {
    rating,
    seconds: Math.round(10 * looked.get(id)) / 10,
    window: shades.map((end) => Math.round(10 * end) / 10),
  });
  unsaved = true;
  if (at + 1 < study.lesions.length) show(at + 1);
  else finish();
}

function firstOpen() {
  const found = study.lesions.findIndex(({ id }) => !answers.has(id));
  return found < 0 ? study.lesions.length - 1 : found;
}

function finish() {
  const open = study.lesions.length - answers.size;
  byId("left").textContent = open
    ? `${open} of ${study.lesions.length} lesions have no answer yet.`
    : `You answered all ${study.lesions.length} lesions.`;
  turnTo("end");
  byId(open ? "return" : "save-all").focus();
}

function save() {
  const given = study.lesions.filter(({ id }) => answers.has(id)).map(({ id }) => ({ id, ...answers.get(id) }));
  const reader = byId("reader").value;
  const content = { format: ANSWERS_FORMAT, version: 1, study: study.study, reader, answers: given };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  link.download = reader ? `answers-${reader}.json` : "answers.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  unsaved = false;
  byId("saved").textContent = `${link.download} with ${given.length} answers is in your downloads.`;
}

function takeEarlier(text) {
  let earlier = null;
  try {
    earlier = JSON.parse(text);
  } catch {
    return "This file is no file of answers.";
  }
  if (earlier?.format !== ANSWERS_FORMAT || earlier.study !== study.study) return "These answers are of another study.";
  for (const { id, ...answer } of earlier.answers) {
    answers.set(id, answer);
    looked.set(id, answer.seconds);
  }
  byId("reader").value ||= earlier.reader;
  return `${answers.size} answers are loaded.`;
}

// ---- The page

function turnTo(name) {
  for (const part of ["start", "reading", "end"]) byId(part).hidden = part !== name;
}

const views = PLANES.map(makeView);
const ratings = RATINGS.map((text, n) => {
  const button = document.createElement("button");
  button.type = "button";
  const number = document.createElement("b");
  number.textContent = n + 1;
  button.append(number, text);
  button.addEventListener("click", () => rate(n + 1));
  byId("ratings").append(button);
  return button;
});
byId("count").textContent = study.lesions.length;

const KEYS = {
  ArrowUp: () => scroll(1),
  ArrowDown: () => scroll(-1),
  ArrowLeft: () => choose(active - 1),
  ArrowRight: () => choose(active + 1),
  "+": () => setWindow(shades[0], shades[1] * 1.15),
  "=": () => setWindow(shades[0], shades[1] * 1.15),
  "-": () => setWindow(shades[0], shades[1] / 1.15),
  r: () => setWindow(...WINDOW),
  i: () => byId("inverse").click(),
  x: () => byId("lines").click(),
  Backspace: () => { if (at > 0) show(at - 1); },
};
RATINGS.forEach((_, n) => { KEYS[n + 1] = () => rate(n + 1); });

document.addEventListener("keydown", (event) => {
  if (byId("reading").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  const pressed = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!pressed) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) pressed(); // a key that is held must not answer twice
});
byId("more").addEventListener("click", KEYS["+"]);
byId("less").addEventListener("click", KEYS["-"]);
byId("reset").addEventListener("click", KEYS.r);
byId("back").addEventListener("click", KEYS.Backspace);
for (const name of ["inverse", "lines"]) byId(name).addEventListener("change", drawAll);
for (const name of ["save", "save-all"]) byId(name).addEventListener("click", save);
byId("help").addEventListener("click", () => {
  pause();
  turnTo("start");
});
byId("return").addEventListener("click", () => show(firstOpen()));
byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  show(answers.has(study.lesions[at].id) ? firstOpen() : at);
});
byId("earlier").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) byId("told").textContent = takeEarlier(await file.text());
  event.target.value = ""; // so that the same file can be chosen again
});
addEventListener("resize", () => { if (!byId("reading").hidden) drawAll(); });
addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) pause();
  else if (cube && !byId("reading").hidden) since = performance.now();
});
