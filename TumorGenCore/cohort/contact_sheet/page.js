"use strict";
// Shows the lesions page by page, after filters and sorting. Pictures are files beside the page, loaded when they are near.

const ON_PAGE = 60;
const SORTS = {
  table: "order of the table", case: "name", volume: "volume", max: "SUVmax", contrast: "lesion to background", quality: "quality",
};
const RANGES = ["volume", "max", "quality"];

const byId = (name) => document.getElementById(name);
const sheet = JSON.parse(byId("sheet").textContent);
const lesions = sheet.lesions.map((values, n) => {
  const lesion = Object.fromEntries(sheet.columns.map((column, c) => [column, values[c]]));
  return { ...lesion, table: n + 1, warnings: sheet.warnings[lesion.warnings] };
});
const cases = new Set(lesions.map((lesion) => lesion.case)).size;
let chosen = lesions; // those that pass the filters, sorted
let at = 0; // number of the page

// ---- Filters and sorting

function limit(name) {
  const field = byId(name);
  const text = field.value.trim().replace(",", ".");
  const number = Number(text);
  field.classList.toggle("wrong", Number.isNaN(number));
  return text === "" || Number.isNaN(number) ? null : number;
}

function choose() {
  const name = byId("name").value.trim().toLowerCase();
  const place = byId("place").value;
  const warned = byId("warned").value;
  const limits = RANGES.map((figure) => [figure, limit(`${figure}-least`), limit(`${figure}-most`)]);
  const passes = (lesion) => (
    lesion.case.toLowerCase().includes(name)
    && (!place || lesion.place === place)
    && (!warned || (warned === "yes") === (lesion.warnings !== ""))
    && limits.every(([figure, least, most]) => (
      (least === null || (lesion[figure] !== null && lesion[figure] >= least))
      && (most === null || (lesion[figure] !== null && lesion[figure] <= most))
    ))
  );
  const key = byId("sort").value;
  const turn = byId("down").checked ? -1 : 1;
  const compare = (a, b) => {
    if (a[key] === b[key]) return a.table - b.table;
    if (a[key] === null || b[key] === null) return a[key] === null ? 1 : -1; // what is not known comes last
    return turn * (key === "case" ? a.case.localeCompare(b.case, "en", { numeric: true }) : a[key] - b[key]);
  };
  chosen = lesions.filter(passes).sort(compare);
  show(0);
}

// ---- Cards

function made(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function figure(value, digits) {
  return value === null ? "–" : value.toFixed(digits);
}

function picture(lesion, suffix, alt) {
  const image = made("img");
  image.loading = "lazy";
  image.alt = alt;
  image.src = `pictures/${lesion.table}.${suffix}`;
  return image;
}

function planes(lesion) {
  const box = made("div", undefined, "planes");
  box.style.aspectRatio = `${3 * sheet.edge + 2 * sheet.gap} / ${sheet.edge}`;
  const of = `lesion ${lesion.lesion} of ${lesion.case}`;
  box.append(picture(lesion, "png", `Three planes through ${of}`), picture(lesion, "svg", ""));
  for (const [n, letter] of ["R", "R", "A"].entries()) {
    const side = made("i", letter);
    side.style.left = `calc(${(n * 100) / 3}% + 4px)`;
    side.style.top = "4px";
    box.append(side);
  }
  return box;
}

function links(lesion) {
  const line = made("p");
  for (const [text, end] of [["image", "_image.nii.gz"], ["mask", "_mask.nii.gz"], ["provenance", ".provenance.json"]]) {
    const link = made("a", text);
    link.href = `${sheet.results}/${encodeURIComponent(lesion.case + end)}`;
    line.append(link);
  }
  return line;
}

function card(lesion) {
  const box = made("article", undefined, lesion.passes ? "card" : "card poor");
  box.dataset.lesion = `${lesion.case} ${lesion.lesion}`;
  const title = made("h2");
  const name = made("b", lesion.case);
  name.title = lesion.case;
  title.append(name);
  if (lesion.of > 1) title.append(made("span", `lesion ${lesion.lesion} of ${lesion.of}`));
  title.append(made("span", lesion.place));
  const quality = made("span", `quality ${figure(lesion.quality, 2)}`, "quality");
  quality.title = `Quality, 0 to 1; below ${sheet.gate} is poor`;
  title.append(quality);
  const figures = made("dl");
  for (const [term, value] of [
    ["volume", `${figure(lesion.volume, lesion.volume < 10 ? 2 : 1)} ml`],
    ["diameter", `${figure(lesion.diameter, 1)} mm`],
    ["SUVmax", figure(lesion.max, 1)],
    ["SUVmean", figure(lesion.mean, 1)],
    ["to background", figure(lesion.contrast, 1)],
  ]) figures.append(made("dt", term), made("dd", value));
  box.append(title, planes(lesion), figures, links(lesion));
  if (lesion.warnings) {
    const details = made("details");
    details.append(made("summary", lesion.warnings));
    box.append(details);
  }
  return box;
}

// ---- The page

function show(page) {
  const pages = Math.max(1, Math.ceil(chosen.length / ON_PAGE));
  at = Math.min(Math.max(page, 0), pages - 1);
  const shown = chosen.slice(at * ON_PAGE, (at + 1) * ON_PAGE);
  byId("cards").replaceChildren(...(shown.length ? shown.map(card) : [made("p", "No lesion passes the filters.", "none")]));
  byId("count").textContent = chosen.length === lesions.length
    ? `${lesions.length} lesions of ${cases} results`
    : `${chosen.length} of ${lesions.length} lesions`;
  byId("at").textContent = `page ${at + 1} of ${pages}`;
  byId("before").disabled = at === 0;
  byId("after").disabled = at === pages - 1;
  scrollTo(0, 0);
}

function outlines() {
  document.body.classList.toggle("bare", !byId("outlines").checked);
}

function sized() {
  document.documentElement.style.setProperty("--plane", `${byId("size").value}px`);
}

function options(select, entries) {
  select.append(...entries.map(([value, text]) => new Option(text, value)));
}

const placesOfAll = [...new Set(lesions.map((lesion) => lesion.place))].sort();
options(byId("place"), [["", "all"], ...placesOfAll.map((place) => [place, place])]);
byId("places").hidden = placesOfAll.length < 2;
options(byId("sort"), Object.entries(SORTS));
byId("statement").textContent = sheet.statement;
byId("legend").textContent = `Axial, coronal and sagittal plane through the center of each lesion, ${sheet.edge} mm wide; inverse gray, `
  + `SUV 0 (white) to ${sheet.window} (black). R: right of the patient, A: anterior.`;

const filters = byId("filters");
filters.addEventListener("input", choose);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(choose)); // after the fields are empty
byId("before").addEventListener("click", () => show(at - 1));
byId("after").addEventListener("click", () => show(at + 1));
byId("outlines").addEventListener("change", outlines);
byId("size").addEventListener("input", sized);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = event.target.matches("input:not([type=checkbox]), select");
  if (!typing && event.key.toLowerCase() === "m") byId("outlines").click();
  else if (!typing && event.key === "ArrowLeft") show(at - 1);
  else if (!typing && event.key === "ArrowRight") show(at + 1);
  else return;
  event.preventDefault();
});
choose();
