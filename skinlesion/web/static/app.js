// The page: pictures in, one request each, answers into a table, the chosen one in full.

const $ = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const COLUMNS = ["file", "probability", "low", "high", "calibrated", "decision", "refer", "flags", "error", "threshold", "model"];
const CALIBRATIONS = { platt: "Platt scaling", temperature: "temperature scaling", beta: "beta calibration", isotonic: "isotonic calibration" };
const TRIES = 30; // of one request while the server is busy
const COMPUTED = /^\s*[=+\-@\t\uff1d\uff0b\uff0d\uff20]/; // by a spreadsheet; as in table.py

let token = "";
let model = null;
let items = []; // {file, url, row, answer, why, maps, broken}
let chosen = null;
let running = null; // the AbortController of the queue
let mapping = new AbortController(); // of the map that is waited for: the newest wins

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const say = (text) => { $("status").textContent = text; };

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

// --- talking to the server ------------------------------------------------------------------

class Problem extends Error {
  constructor(status, error = {}) {
    super([error.message ?? `The server answered ${status}`, error.code !== "unreadable" && error.expected && `expected: ${error.expected}`].filter(Boolean).join("; "));
    Object.assign(this, { status, wait: error.retry_after });
  }
}

async function ask(path, options = {}) {
  for (;;) {
    const used = token;
    const headers = used ? { Authorization: `Bearer ${used}` } : {};
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { message: "The server cannot be reached" });
    }
    const body = await response.json().catch((error) => { if (error.name === "AbortError") throw error; return {}; });
    if (response.ok) return body;
    if (response.status !== 401) throw new Problem(response.status, body.error);
    // Of several requests that were refused, the first asks; the others try what it was told.
    if (used === token) await askForToken(used !== "");
  }
}

let asking = null;
function askForToken(wasWrong) {
  asking ??= new Promise((resolve) => {
    const told = $("ask-problem");
    told.hidden = !wasWrong;
    told.textContent = wasWrong ? "That is not the token." : "";
    $("token").value = "";
    $("ask").showModal();
    $("ask-form").onsubmit = (event) => {
      event.preventDefault();
      token = $("token").value.trim();
      $("ask").close();
      asking = null;
      resolve();
    };
  });
  return asking;
}
$("ask").addEventListener("cancel", (event) => event.preventDefault());

function formOf(file) {
  const form = new FormData();
  form.append("files", file, file.name || "pasted.png");
  return form;
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("stopped", "AbortError")); });
  });
}

// Asks again as long as the server is busy; `report` is told so, and `signal` ends it.
async function patiently(path, file, signal, report) {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(path, { method: "POST", body: formOf(file), signal });
    } catch (problem) {
      if (![429, 503].includes(problem.status) || tries === TRIES) throw problem;
      report(`${problem.message}. Trying again in ${problem.wait ?? 2} s.`);
      await pause(problem.wait ?? 2, signal);
    }
  }
}

// --- the queue --------------------------------------------------------------------------------

function add(files) {
  if (!model || !files.length) return;
  complain("");
  const fresh = [...files].map((file) => ({ file, url: URL.createObjectURL(file), answer: null, why: "", maps: {}, broken: false }));
  items.push(...fresh);
  $("rows").append(...fresh.map(rowOf));
  $("batch").hidden = items.length < 2;
  $("progress").max = items.length;
  $("stop").disabled = false;
  $("drop").classList.add("small");
  $("drop-title").textContent = "Drop more pictures";
  if (!running) work();
}

async function work() {
  running = new AbortController();
  const { signal } = running;
  let first = true;
  for (let item; (item = items.find((one) => !one.answer && !one.why)); ) {
    say(items.length > 1 ? `Asking about ${item.file.name}` : "Asking the model");
    try {
      if (item.file.size > model.limits.file_bytes) throw new Problem(413, { message: `${item.file.name} is too large`, expected: `at most ${Math.floor(model.limits.file_bytes / 2 ** 20)} MiB` });
      item.answer = (await patiently("/api/predict", item.file, signal, say)).answers[0];
    } catch (problem) {
      if (problem.name === "AbortError") break;
      item.why = problem.message;
      if (items.length === 1) complain(item.why);
      if (problem.status === 0) { complain(item.why); item.why = ""; break; }
    }
    show(item);
    if (item.answer && (first || !chosen)) choose(item);
    first = false;
  }
  running = null;
  $("stop").disabled = true;
  const broken = items.filter((one) => one.why).length;
  const done = items.filter((one) => one.answer).length;
  if (items.length > 1) say(`${done} of ${items.length} pictures answered${broken ? `, ${broken} not readable` : ""}.`);
  else say(done ? `${items[0].file.name}: ${decisionOf(items[0])}, ${percent(items[0].answer.probability)}.` : "");
}

function clear() {
  running?.abort();
  mapping.abort();
  items.forEach((item) => { URL.revokeObjectURL(item.url); Object.values(item.maps).forEach((map) => [map.picture, map.layer].forEach(URL.revokeObjectURL)); });
  items = [];
  chosen = null;
  $("rows").replaceChildren();
  for (const id of ["batch", "result"]) $(id).hidden = true;
  $("drop").classList.remove("small");
  $("drop-title").textContent = "Drop dermoscopic pictures here";
  complain("");
  say("Cleared.");
  $("files").focus();
}

// --- the table --------------------------------------------------------------------------------

const decisionOf = (item) => item.answer.decisions[$("point").value];
const isPositive = (decision) => decision === model.classes[1];
const referOf = (answer) => (answer.refer === null ? "" : answer.refer ? "yes" : "no");

function rowOf(item) {
  const thumb = make("img", { className: "thumb", src: item.url, alt: "", loading: "lazy" });
  thumb.onerror = () => { item.broken = true; thumb.replaceWith(make("span", { className: "thumb" })); };
  const open = make("button", { type: "button", className: "open", disabled: true, onclick: () => { choose(item); $("result-title").focus(); } }, thumb, make("span", { textContent: item.file.name || "pasted.png" }));
  item.row = make("tr", {}, make("th", { scope: "row" }, open), make("td", { colSpan: 6, className: "dim", textContent: "waiting" }));
  return item.row;
}

function show(item) {
  const { answer, row } = item;
  const cells = [];
  if (item.why) cells.push(make("td", { colSpan: 6, className: "bad", textContent: item.why }));
  if (answer) {
    const decision = decisionOf(item);
    const right = (text, wide = "") => make("td", { className: `right ${wide}`, textContent: text });
    cells.push(
      right(percent(answer.probability)),
      right(`${(100 * answer.low).toFixed(1)}–${percent(answer.high)}`, "wide"),
      right(percent(answer.calibrated), "wide"),
      make("td", { className: isPositive(decision) ? "positive" : "", textContent: decision }),
      make("td", { textContent: referOf(answer) }),
      make("td", { className: "tight", textContent: answer.flags.join(", ") }),
    );
    row.querySelector("button").disabled = false;
  }
  if (cells.length) row.replaceChildren(row.firstChild, ...cells);
  const finished = items.filter((one) => one.answer || one.why).length;
  Object.assign($("progress"), { max: items.length, value: finished });
  $("stop").disabled = finished === items.length;
}

function csv() {
  const cell = (value) => {
    let text = Array.isArray(value) ? value.join(";") : value === true ? "yes" : value === false ? "no" : String(value ?? "");
    if (typeof value === "string" && COMPUTED.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = items.map((item) => {
    const values = item.answer ? { ...item.answer, decision: decisionOf(item) } : { file: item.file.name, error: item.why || "not asked" };
    return { ...values, threshold: $("point").value, model: model.identity };
  });
  return [COLUMNS, ...lines.map((line) => COLUMNS.map((name) => line[name]))].map((line) => line.map(cell).join(",") + "\n").join("");
}

function save() {
  const link = make("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "skinlesion.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say("Saved skinlesion.csv.");
}

// --- one picture in full ----------------------------------------------------------------------

function choose(item) {
  chosen?.row.classList.remove("chosen");
  chosen?.row.querySelector("button").removeAttribute("aria-current");
  chosen = item;
  item.row.classList.add("chosen");
  item.row.querySelector("button").setAttribute("aria-current", "true");
  $("result").hidden = false;
  $("result-title").textContent = item.file.name || "pasted.png";
  $("layer").hidden = true;
  $("base").alt = `The picture ${item.file.name}`;
  $("base").src = item.url;
  $("frame").hidden = item.broken;
  tell();
  map();
}

function tell() {
  const { answer } = chosen;
  const point = model.operating_points[$("point").value];
  const decision = decisionOf(chosen);
  const span = `${percent(answer.low)} to ${percent(answer.high)}`;
  $("decision").textContent = decision;
  $("decision").classList.toggle("positive", isPositive(decision));
  $("point-words").textContent = `Called ${model.classes[1]} from ${percent(point.threshold)} on (${point.words}).`;
  $("probability").textContent = percent(answer.probability);
  $("probability-words").textContent = `probability of ${model.target}, as the model says`;
  const place = (id, from, to) => { $(id).style.left = percent(from).replace(" ", ""); if (to !== undefined) $(id).style.width = percent(to - from).replace(" ", ""); };
  place("mark", answer.probability);
  place("band", answer.low, answer.high);
  place("cut", Math.min(1, point.threshold));
  $("bar").setAttribute("aria-label", `Probability ${percent(answer.probability)}, ${span} over the eight symmetries, operating point ${percent(point.threshold)}`);
  const facts = [
    ["Symmetries", span, "Lowest and highest when the picture is flipped and turned in all eight ways. It says how steady the answer is; it is not a confidence interval."],
    ["Calibrated", percent(answer.calibrated), calibrationWords()],
    ["Refer", answer.refer === null ? "not known" : referOf(answer), referWords(answer)],
  ];
  $("facts").replaceChildren(...facts.flatMap(([name, value, words]) => [make("dt", { textContent: name }), make("dd", {}, value, make("span", { className: "dim", textContent: words }))]));
  $("flags").replaceChildren(...answer.flags.map((flag) => make("li", {}, make("strong", { textContent: flag }), `: ${model.flags[flag] ?? ""}. The answer may be worth little.`)));
}

function calibrationWords() {
  if (model.calibration === "none") return "This model has no calibration: the same as above.";
  return `After ${CALIBRATIONS[model.calibration]} on ${model.training.images.val ?? "the"} validation images; it holds where ${model.target} is as frequent as there.`;
}

function referWords(answer) {
  const sets = model.conformal;
  if (!sets) return "This model has no conformal sets.";
  const whole = (share) => `${Math.round(100 * share)} %`;
  const covered = `sets that hold ${whole(sets.benign_coverage)} of ${model.classes[0]} and ${whole(sets.malignant_coverage)} of ${model.classes[1]} validation images`;
  return answer.refer ? `The answer does not settle on one class, by ${covered}.` : `The answer settles on one class, by ${covered}.`;
}

const evidence = () => document.querySelector("input[name=evidence]:checked").value;

function pictureUrl(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
}

async function map() {
  const item = chosen;
  const kind = evidence();
  mapping.abort();
  const { signal } = (mapping = new AbortController());
  $("map-tools").hidden = Boolean(model.why_no_map);
  $("map-note").textContent = model.why_no_map ? `No heat map: ${model.why_no_map}.` : "Computing the heat map";
  if (model.why_no_map) return;
  try {
    if (!item.maps[kind]) {
      const found = await patiently(`/api/explain?evidence=${kind}`, item.file, signal, (text) => { $("map-note").textContent = text; });
      item.maps[kind] = { ...found, picture: pictureUrl(found.picture), layer: pictureUrl(found.layer) };
    }
    if (!signal.aborted) lay(item, item.maps[kind]);
  } catch (problem) {
    if (!signal.aborted) $("map-note").textContent = `No heat map: ${problem.message}.`;
  }
}

function lay(item, found) {
  const square = !found.is_whole || item.broken; // cropped, or a file that browsers do not show
  if (square) $("base").src = found.picture;
  $("frame").hidden = false;
  $("layer").src = found.layer;
  $("layer").hidden = false;
  fade();
  const what = found.is_empty ? `Nothing in the picture speaks ${found.evidence} ${found.target} in this map.` : `Colour: what speaks ${found.evidence} ${found.target} (Grad-CAM of the upright picture), strongest where it is opaque.`;
  $("map-note").textContent = `${what} ${square ? "Shown as the model sees it. " : ""}A map shows what moves this model, not what is ${found.target}.`;
}

// As wide as there is room, and not too high; the layer has the same box.
function fit() {
  $("frame").style.width = `min(100%, ${(26 * $("base").naturalWidth) / $("base").naturalHeight}rem)`;
}

function fade() {
  const value = $("opacity").value;
  $("layer").style.opacity = value / 100;
  $("opacity-value").textContent = `${value} %`;
  $("opacity").setAttribute("aria-valuetext", `${value} %`);
}

// --- the model card ---------------------------------------------------------------------------

const NAMES = { roc_auc: "ROC AUC", average_precision: "Average precision", ppv: "PPV", npv: "NPV", f1: "F1", mcc: "MCC", ece: "ECE" };
const nameOf = (key) => NAMES[key] ?? key.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase()).replace(/auc/i, "AUC");
const number = (value) => (value === null ? "undefined" : value.toFixed(3));

function table(head, rows) {
  const side = (text) => (/^[a-z]/i.test(text) ? "" : "right");
  const cell = (text, place) => make(place ? "td" : "th", place ? { textContent: text, className: side(text) } : { textContent: text, scope: "row" });
  return make("div", { className: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((text, place) => make("th", { scope: "col", textContent: text, className: place ? side(rows[0][place]) : "" })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell))))));
}

function card() {
  const { training } = model;
  const sizes = Object.entries(training.images).filter(([, count]) => count).map(([split, count]) => `${count.toLocaleString("en")} ${split.replaceAll("_", " ")}`);
  const networks = model.members.map((one) => `${one.backbone}, ${one.image_size} x ${one.image_size} pixels, ${one.parameters.toLocaleString("en")} parameters, ${one.views} view${one.views > 1 ? "s" : ""}`);
  const facts = [
    ["Model", `${model.name} (${model.identity})`],
    ["Tells", `${model.classes[1]} from ${model.classes[0]} in dermoscopic pictures`],
    [networks.length > 1 ? `Networks, by ${model.combiner}` : "Network", networks.join("; ")],
    ["Learnt from", [sizes.join(", ") && `${sizes.join(", ")} images`, training.sources.join(", ")].filter(Boolean).join(" of ") || "not recorded"],
    ["Licence", training.licence || "not recorded"],
    ["Not for", "diagnosis, pictures without a dermatoscope, or anybody's care. No score here is broken down by skin tone."],
  ];
  const scores = Object.entries(model.metrics).flatMap(([split, found]) => [
    make("h3", { textContent: `Scores on ${split}: ${found.images} images, ${found.positives} ${model.classes[1]}` }),
    table(["Score", "Value", "95 % interval"], Object.entries(found.scores).map(([key, one]) => [nameOf(key), number(one.value), one.low === null ? "" : `${number(one.low)}–${number(one.high)}`])),
    make("p", { className: "dim small", textContent: `Threshold: ${found.threshold_rule}.` }),
  ]);
  $("card").replaceChildren(
    make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })])),
    make("details", {}, make("summary", { textContent: "Operating points" }), table(["Name", "From", "Chosen by"], Object.entries(model.operating_points).map(([name, one]) => [name, percent(one.threshold), one.words]))),
    make("details", {}, make("summary", { textContent: "Scores" }), ...(scores.length ? scores : [make("p", { className: "dim", textContent: "None is recorded: evaluate the run, then bundle it." })])),
  );
}

async function start() {
  try {
    model = await ask("/api/model");
  } catch (problem) {
    complain(`The model could not be loaded: ${problem.message}`);
    return;
  }
  $("model-name").textContent = model.name;
  $("version").textContent = model.version;
  $("openapi").hidden = token !== ""; // a link carries no token
  document.querySelectorAll(".target").forEach((node) => { node.textContent = model.target; });
  $("point").replaceChildren(...Object.keys(model.operating_points).map((name) => make("option", { value: name, textContent: name })));
  card();
  document.documentElement.dataset.ready = "yes";
}

// --- what the user does -----------------------------------------------------------------------

$("files").addEventListener("change", () => { add($("files").files); $("files").value = ""; });
$("opacity").addEventListener("input", fade);
$("base").addEventListener("load", fit);
$("base").addEventListener("error", () => { // a TIFF, in most browsers
  $("frame").hidden = chosen.broken = true;
  const found = chosen.maps[evidence()];
  if (found) lay(chosen, found);
});
document.querySelectorAll("input[name=evidence]").forEach((radio) => radio.addEventListener("change", map));
$("point").addEventListener("change", () => { items.forEach(show); tell(); say(`At ${$("point").value}: ${decisionOf(chosen)}.`); });
$("stop").addEventListener("click", () => { running?.abort(); say("Stopped."); });
$("clear").addEventListener("click", clear);
$("save").addEventListener("click", save);
document.addEventListener("paste", (event) => add(event.clipboardData.files));
const over = (event, is) => { event.preventDefault(); $("drop").classList.toggle("over", is); };
document.addEventListener("dragover", (event) => over(event, true));
document.addEventListener("dragleave", (event) => over(event, false));
document.addEventListener("drop", (event) => { over(event, false); add(event.dataTransfer.files); });

start();
