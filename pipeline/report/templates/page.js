"use strict";

// Make an element with attributes and children.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Say where a value is from when somebody points at it: a page has thousands of values.
function showAddress(event) {
  const value = event.target.closest?.("data");
  if (!value || value.title) return;
  if (value.dataset.key) {
    value.title = `configuration: ${value.dataset.key}`;
    return;
  }
  const [row, column] = value.dataset.at.split(":");
  value.title = `${value.closest("[data-file]").dataset.file}, row ${row}, column ${column}`;
}

// Tables: sort by a column, and show the rows that contain a text.

function compare(one, other) {
  const [a, b] = [Number(one), Number(other)];
  if (one !== "" && other !== "" && !Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  if (one === "" || other === "") return (one === "") - (other === "");
  return one.localeCompare(other);
}

function sortBy(table, heading) {
  const column = [...heading.parentNode.children].indexOf(heading);
  const isDown = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  const order = (row) => row.children[column].querySelector("data")?.value ?? "";
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(order(a), order(b)) * (isDown ? -1 : 1));
  table.tBodies[0].append(...rows);
}

function addTableControls(box) {
  const table = box.querySelector("table");
  if (!table) return; // it has no rows
  for (const heading of table.tHead.rows[0].cells) {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, heading));
    heading.append(button);
  }
  if (table.tBodies[0].rows.length < 8) return;
  const input = make("input", { type: "search" });
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
  box.querySelector(".caption").after(make("label", { class: "filter" }, "Show rows that contain ", input));
}

// The viewer of atlases: two panes, each with one cell.

const KEYS = ["run", "model", "protocol", "baseline", "dataset", "compression", "method", "outcome"];
const LAYERS = { face: "face", map: "map", mask: "mask", hatch: "what is not significant" };

function addPane(cells, number, start) {
  const shown = make("div", { class: "shown", "aria-live": "polite" });
  const controls = make("div", { class: "controls" });
  const selects = {};
  const chosen = () => cells.find((cell) => KEYS.every((key) => (cell.dataset[key] ?? "") === selects[key].value));
  const show = () => {
    const cell = chosen();
    if (!cell) {
      shown.replaceChildren(make("p", {}, "This atlas has no such picture."));
      return;
    }
    const copy = cell.cloneNode(true);
    for (const image of copy.querySelectorAll("img")) image.loading = "eager";
    shown.replaceChildren(copy);
  };
  for (const key of KEYS) {
    const names = [...new Set(cells.map((cell) => cell.dataset[key] ?? ""))];
    selects[key] = make("select", {}, ...names.map((name) => make("option", { value: name }, name)));
    selects[key].value = start.dataset[key] ?? "";
    selects[key].addEventListener("change", show);
    const label = make("label", {}, key === "dataset" ? "data set" : key, selects[key]);
    label.hidden = names.length === 1;
    controls.append(label);
  }
  show();
  return make("div", { class: "pane", role: "group", "aria-label": `Picture ${number}` }, controls, shown);
}

function addViewer() {
  const cells = [...document.querySelectorAll(".cell")];
  const section = document.getElementById("atlases");
  if (!section || cells.length === 0) return;
  const viewer = make("div", { class: "viewer" }, section.querySelector(".scale").cloneNode(true));
  const toggles = make("fieldset", { class: "toggles" }, make("legend", {}, "Layers"));
  for (const [layer, name] of Object.entries(LAYERS)) {
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => viewer.classList.toggle(`no-${layer}`, !box.checked));
    toggles.append(make("label", {}, box, ` ${name}`));
  }
  const fakes = cells.filter((cell) => cell.dataset.method !== "real");
  const first = fakes[0] ?? cells[0];
  const differs = (cell) => cell.dataset.run !== first.dataset.run || cell.dataset.model !== first.dataset.model;
  const other = fakes.find((cell) => differs(cell) && cell.dataset.method === first.dataset.method) ?? cells[1] ?? first;
  const panes = make("div", { class: "panes" }, addPane(cells, 1, first), addPane(cells, 2, other));
  viewer.append(toggles, panes);
  const heading = make("h3", {}, "Compare two pictures");
  section.querySelector(".look").after(heading, viewer);
}

// Galleries: search by video.

function addGallerySearch() {
  const section = document.getElementById("gallery");
  if (!section || !section.querySelector(".card")) return;
  const input = make("input", { type: "search" });
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const card of section.querySelectorAll(".card")) {
      card.hidden = !card.dataset.video.toLowerCase().includes(wanted);
    }
    for (const group of section.querySelectorAll("details")) group.open = wanted !== "";
  });
  section.querySelector(".look").after(make("label", { class: "filter" }, "Show videos whose name contains ", input));
}

// Ratings: of sections and of single frames. They are kept until the page is closed,
// and saved as a file on request.

const ratings = new Map();

function rate(name, part) {
  const known = ratings.get(name) ?? { rating: "", comment: "" };
  ratings.set(name, { ...known, ...part });
  document.querySelector(".save").hidden = false;
}

function addRating(element, number) {
  const isCard = element.classList.contains("card");
  const place = isCard ? `${element.closest("details").id}: ` : "";
  const name = place + element.dataset.rate;
  const box = make("fieldset", { class: "rating" }, make("legend", {}, isCard ? "Rating" : "Your rating of this section"));
  for (const value of ["fine", "doubtful"]) {
    const radio = make("input", { type: "radio", name: `rating-${number}`, value });
    radio.addEventListener("change", () => rate(name, { rating: value }));
    box.append(make("label", {}, radio, ` ${value}`));
  }
  const comment = make("input", { type: "text" });
  comment.addEventListener("change", () => rate(name, { comment: comment.value }));
  box.append(make("label", {}, "comment ", comment));
  element.append(box);
}

function save() {
  const content = { page: document.title, saved: new Date().toISOString(), ratings: Object.fromEntries(ratings) };
  const file = new Blob([JSON.stringify(content, null, 1)], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file), download: "ratings.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function addRatings() {
  [...document.querySelectorAll("[data-rate]")].forEach(addRating);
  const button = make("button", { type: "button" }, "Save ratings");
  button.addEventListener("click", save);
  const bar = make("div", { class: "save" }, button);
  bar.hidden = true;
  document.querySelector("main").append(bar);
}

function openForPrint() {
  for (const group of document.querySelectorAll("details")) group.open = true;
}

addEventListener("pointerover", showAddress);
document.querySelectorAll(".table").forEach(addTableControls);
addViewer();
addGallerySearch();
addRatings();
addEventListener("beforeprint", openForPrint);
