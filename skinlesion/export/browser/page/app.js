/** The page: takes files, shows answers. The work is done in worker.js. */

import { decide } from "./answers.js";
import { fillCard } from "./card.js";
import { toCsv } from "./csv.js";
import { FLAGS } from "./quality.js";
import { Helper } from "./helper.js";

const at = (id) => document.getElementById(id);
const state = { model: null, helper: null, rows: [], queue: [], shown: null, isBusy: false };

start();

async function start() {
  at("unserved").hidden = true;
  try {
    state.model = await described();
    describe(state.model);
    at("work").hidden = false;
    say("Loading the model.");
    state.helper = new Helper(showProgress);
    listen();
    const base = new URL(".", location.href).href;
    await state.helper.ask("load", { model: state.model, base });
    showProgress(null);
    say("Ready.");
    document.body.dataset.state = "ready";
    work();
  } catch (error) {
    fail(`The model cannot be loaded: ${error.message}`);
  }
}

async function described() {
  const response = await fetch("model.json");
  if (!response.ok) throw new Error(`model.json: the server answers ${response.status}`);
  return response.json();
}

function describe(model) {
  document.title = `${model.name} - skin lesion classifier`;
  at("name").textContent = model.name;
  for (const name of Object.keys(model.operating_points)) at("point").append(new Option(name, name));
  showPoint();
  fillCard(model, at("facts"), at("tables"));
  at("card").hidden = false;
  at("made").textContent =
    `Made by skinlesion ${model.skinlesion}, model ${model.identity}. ` +
    "A research tool, not a medical device.";
}

function listen() {
  const drop = at("drop");
  at("files").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", ({ dataTransfer }) => {
    drop.classList.remove("over");
    add([...dataTransfer.files]);
  });
  at("point").addEventListener("change", () => {
    showPoint();
    state.rows.forEach(fillRow);
    show(state.shown);
  });
  at("save").addEventListener("click", save);
  at("stop").addEventListener("click", stop);
  at("clear").addEventListener("click", clear);
}

// --- work ----------------------------------------------------------------------------------

function add(files) {
  if (!files.length) return;
  const isFirst = !state.rows.length;
  for (const file of files) {
    const row = { name: file.webkitRelativePath || file.name, file, line: newLine() };
    row.line.button.textContent = row.name;
    row.line.button.addEventListener("click", () => {
      show(row);
      at("shown-name").focus();
    });
    state.rows.push(row);
    state.queue.push(row);
    fillRow(row);
  }
  at("batch").hidden = state.rows.length < 2;
  if (isFirst || files.length === 1) state.shown = state.rows.at(-files.length);
  work();
}

/** Answer what is queued, one file at a time, so that memory does not grow with their number. */
async function work() {
  if (state.isBusy || document.body.dataset.state !== "ready") return;
  state.isBusy = true;
  document.body.dataset.busy = "yes";
  for (let row = state.queue.shift(); row; row = state.queue.shift()) {
    tellProgress();
    try {
      row.result = await state.helper.ask("predict", row.file);
    } catch (error) {
      row.error = error.isUnreadable ? error.message : `it could not be classified: ${error.message}`;
    }
    row.file = null;
    fillRow(row);
    if (row === state.shown) show(row);
  }
  state.isBusy = false;
  delete document.body.dataset.busy;
  showProgress(null);
  at("stop").disabled = true;
  conclude();
}

function tellProgress() {
  const left = state.queue.length + 1;
  const total = state.rows.length;
  at("stop").disabled = false;
  say(total > 1 ? `Classifying image ${total - left + 1} of ${total}.` : "Classifying.");
  showProgress((total - left) / total);
}

function conclude() {
  const broken = state.rows.filter(({ error }) => error !== undefined).length;
  const done = state.rows.length - broken;
  const images = (count) => `${count} ${count === 1 ? "image" : "images"}`;
  if (!state.rows.length) say("Ready.");
  else say(`${images(done)} classified${broken ? `, ${images(broken)} not` : ""}.`);
}

function stop() {
  for (const row of state.queue.splice(0)) {
    row.error = "stopped before its turn";
    row.file = null;
    fillRow(row);
  }
}

function clear() {
  state.queue.length = 0;
  state.rows = [];
  state.shown = null;
  at("rows").replaceChildren();
  at("batch").hidden = true;
  at("shown").hidden = true;
  if (!state.isBusy) conclude();
  at("files").focus();
}

function save() {
  const text = toCsv(state.model, at("point").value, state.rows.filter(isDone));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

const isDone = ({ result, error }) => result !== undefined || error !== undefined;

// --- what is seen --------------------------------------------------------------------------

function say(text) {
  at("status").textContent = text;
}

function fail(text) {
  at("failure").textContent = text;
  at("failure").hidden = false;
  at("work").hidden = true;
  document.body.dataset.state = "failed";
}

function showProgress(share) {
  at("progress").hidden = share === null;
  at("progress").value = share ?? 0;
}

function showPoint() {
  const { threshold, words } = state.model.operating_points[at("point").value];
  at("point-words").textContent =
    `${state.model.classes[1]} from ${number(threshold)} on (${words})`;
}

function newLine() {
  const line = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row" });
  const [box, canvas, button] = ["div", "canvas", "button"].map((tag) => document.createElement(tag));
  button.type = "button";
  canvas.setAttribute("aria-hidden", "true");
  box.append(canvas, button);
  head.append(box);
  line.append(head);
  at("rows").append(line);
  return { line, head, canvas, button };
}

function fillRow(row) {
  const { line, head, canvas } = row.line;
  line.replaceChildren(head);
  if (row.error !== undefined) {
    const cell = newCell(row.error);
    cell.className = "wide";
    cell.colSpan = 5;
    line.append(cell);
  } else if (row.result) {
    draw(canvas, row.result.thumbnail);
    const { probability, calibrated, refer, flags } = row.result;
    const decision = decide(state.model, at("point").value, probability);
    const cells = [number(probability), number(calibrated), decision, yesNo(refer), flags.join(", ")];
    line.append(...cells.map(newCell));
  } else {
    line.append(...["", "", "waiting", "", ""].map(newCell));
  }
}

const newCell = (text) => Object.assign(document.createElement("td"), { textContent: text });

function show(row) {
  state.shown = row;
  for (const { line, ...other } of state.rows.map((each) => ({ ...each.line, each }))) {
    line.classList.toggle("chosen", other.each === row && state.rows.length > 1);
  }
  if (!row || !isDone(row)) return;
  at("shown").hidden = false;
  at("shown-name").textContent = row.name;
  const isRead = row.error === undefined;
  at("picture").parentElement.hidden = !isRead;
  at("scale").hidden = !isRead;
  at("numbers").replaceChildren();
  at("flags").replaceChildren();
  if (isRead) showResult(row);
  else showVerdict(`Not classified: ${row.error}.`, "open");
}

function showResult({ name, result }) {
  const { probability, calibrated, refer, flags, width, height, milliseconds, thumbnail } = result;
  const point = at("point").value;
  const { threshold } = state.model.operating_points[point];
  const [, positive] = state.model.classes;
  const decision = decide(state.model, point, probability);
  showVerdict(
    refer ? `${decision}, but to be referred` : decision,
    refer ? "open" : decision === positive ? "positive" : "negative",
  );
  draw(at("picture"), thumbnail);
  at("picture").setAttribute("aria-label", name);
  at("size").textContent = `${width} x ${height} pixels, ${Math.round(milliseconds)} ms`;
  at("bar").style.width = `${100 * probability}%`;
  at("mark").style.left = `${100 * Math.min(threshold, 1)}%`;
  const meaning = refer ? "yes: the conformal set does not settle on one class" : "no";
  const facts = [
    [`probability of ${positive}`, number(probability)],
    ["calibrated", number(calibrated)],
    ["threshold", `${number(threshold)}, the mark above`],
    ...(refer === null ? [] : [["refer", meaning]]),
  ];
  at("numbers").append(...facts.flatMap(([term, text]) => [newItem("dt", term), newItem("dd", text)]));
  at("flags").append(...flags.map((flag) => newItem("li", `${flag}: ${FLAGS[flag]}`)));
}

function showVerdict(text, kind) {
  at("decision").textContent = text;
  at("decision").className = `verdict ${kind}`;
}

function draw(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

const newItem = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
const number = (value) => value.toFixed(4);
const yesNo = (value) => (value === null ? "" : value ? "yes" : "no");
