/** The page: takes pictures, shows answers. The work is done in worker.js. */

import { decide } from "./answers.js";
import { fillCard } from "./card.js";
import { toCsv } from "./csv.js";
import { at, make, percent } from "./dom.js";
import { Helper } from "./helper.js";
import { clearResult, showResult } from "./result.js";

let model = null;
let helper = null;
let rows = []; // {name, file, line, result or error}
let queue = [];
let shown = null;
let isBusy = false;

start();

async function start() {
  at("unserved").hidden = true;
  try {
    model = await described();
    describe();
    say("Loading the model.");
    helper = new Helper(showProgress);
    listen();
    await helper.ask("load", { model, base: new URL(".", location.href).href });
    showProgress(null);
    say("Ready.");
    document.body.dataset.state = "ready";
    work();
  } catch (error) {
    complain(`The model cannot be loaded: ${error.message}`);
  }
}

async function described() {
  const response = await fetch("model.json");
  if (!response.ok) throw new Error(`model.json: the server answers ${response.status}`);
  return response.json();
}

function describe() {
  document.title = `${model.name} - skinlesion`;
  at("model-name").textContent = `${model.name}: ${model.classes[1]} or ${model.classes[0]}`;
  at("point").append(...Object.keys(model.operating_points).map((name) => new Option(name, name)));
  fillCard(model, at("card-facts"), at("card-tables"));
  at("version").textContent = ` ${model.skinlesion}`;
  at("card").hidden = false;
  at("drop").hidden = false;
}

function complain(text) {
  at("problem").textContent = text;
  at("problem").hidden = false;
  at("drop").hidden = true;
  say("");
  showProgress(null);
  document.body.dataset.state = "failed";
}

function listen() {
  at("files").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  document.addEventListener("dragover", () => at("drop").classList.add("over"));
  document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
  document.addEventListener("drop", ({ dataTransfer }) => {
    at("drop").classList.remove("over");
    add([...dataTransfer.files]);
  });
  document.addEventListener("paste", ({ clipboardData }) => add([...clipboardData.files]));
  at("point").addEventListener("change", () => {
    rows.forEach(fillRow);
    show(shown);
  });
  at("save").addEventListener("click", save);
  at("stop").addEventListener("click", stop);
  at("clear").addEventListener("click", clear);
}

// --- work ----------------------------------------------------------------------------------

function add(files) {
  if (!files.length) return;
  const isFirst = !rows.length;
  const added = files.map((file) => ({ name: file.name || "pasted.png", file }));
  for (const row of added) row.line = newLine(row);
  added.forEach(fillRow);
  rows.push(...added);
  queue.push(...added);
  at("batch").hidden = rows.length < 2;
  if (isFirst || added.length === 1) shown = added[0];
  work();
}

/** Answer what is queued, one file at a time, so that memory does not grow with their number. */
async function work() {
  if (isBusy || document.body.dataset.state !== "ready") return;
  isBusy = true;
  document.body.dataset.busy = "yes";
  at("stop").disabled = false;
  for (let row = queue.shift(); row; row = queue.shift()) {
    tellProgress();
    await classify(row);
    fillRow(row);
    if (row === shown) show(row);
  }
  isBusy = false;
  delete document.body.dataset.busy;
  at("stop").disabled = true;
  showProgress(null);
  conclude();
}

async function classify(row) {
  try {
    row.result = await helper.ask("predict", row.file);
  } catch (error) {
    row.error = error.isUnreadable ? error.message : `it could not be classified: ${error.message}`;
  }
  row.file = null;
}

function tellProgress() {
  const done = rows.length - queue.length;
  say(rows.length > 1 ? `Classifying picture ${done} of ${rows.length}.` : "Classifying.");
  showProgress((done - 1) / rows.length);
}

function conclude() {
  const broken = rows.filter(({ error }) => error !== undefined).length;
  const pictures = (count) => `${count} ${count === 1 ? "picture" : "pictures"}`;
  const rest = broken ? `, ${pictures(broken)} not` : "";
  say(rows.length ? `${pictures(rows.length - broken)} classified${rest}.` : "Ready.");
}

function stop() {
  for (const row of queue.splice(0)) {
    row.error = "stopped before its turn";
    row.file = null;
    fillRow(row);
  }
}

function clear() {
  queue = [];
  rows = [];
  shown = null;
  at("rows").replaceChildren();
  at("batch").hidden = true;
  clearResult();
  if (!isBusy) conclude();
  at("files").focus();
}

function save() {
  const text = toCsv(model, at("point").value, rows.filter(isDone));
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href, download: "answers.csv" }).click();
  URL.revokeObjectURL(href);
}

const isDone = ({ result, error }) => result !== undefined || error !== undefined;

// --- what is seen --------------------------------------------------------------------------

function say(text) {
  at("status").textContent = text;
}

function showProgress(share) {
  at("progress").hidden = share === null;
  at("progress").value = share ?? 0;
}

function show(row) {
  shown = row;
  for (const other of rows) other.line.classList.toggle("chosen", other === row && rows.length > 1);
  if (row && isDone(row)) showResult(model, at("point").value, row);
}

function newLine(row) {
  const open = make(
    "button",
    { type: "button", className: "open" },
    make("canvas", { className: "thumb", width: 1, height: 1 }),
    make("span", { textContent: row.name }),
  );
  open.addEventListener("click", () => {
    show(row);
    at("result-title").focus();
  });
  const line = make("tr", {}, make("th", { scope: "row" }, open));
  at("rows").append(line);
  return line;
}

function fillRow(row) {
  row.line.replaceChildren(row.line.firstChild, ...cellsOf(row));
  row.line.querySelector("button").disabled = !isDone(row);
  if (row.result) drawThumbnail(row.line.querySelector("canvas"), row.result.thumbnail);
}

function cellsOf({ result, error }) {
  const cell = (textContent, className = "", colSpan = 1) =>
    make("td", { textContent, className, colSpan });
  if (error !== undefined) return [cell(error, "bad", 5)];
  if (!result) return [cell("waiting", "dim", 5)];
  const decision = decide(model, at("point").value, result.probability);
  return [
    cell(percent(result.probability), "right"),
    cell(percent(result.calibrated), "right wide"),
    cell(decision, decision === model.classes[1] ? "positive" : ""),
    cell(result.refer === null ? "" : result.refer ? "yes" : "no"),
    cell(result.flags.join(", ")),
  ];
}

function drawThumbnail(canvas, bitmap) {
  const side = 88;
  const scale = side / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  Object.assign(canvas, { width: side, height: side });
  canvas.getContext("2d").drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
}
