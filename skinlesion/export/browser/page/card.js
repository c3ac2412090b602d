/** The model card: what model.json says of the model. */

const SCORES = {
  roc_auc: "ROC AUC",
  average_precision: "average precision",
  sensitivity: "sensitivity",
  specificity: "specificity",
  ppv: "PPV",
  npv: "NPV",
  balanced_accuracy: "balanced accuracy",
  accuracy: "accuracy",
  brier: "Brier score",
};

/**
 * @param model The contents of model.json.
 * @param facts A dl that is filled.
 * @param tables An element that gets the tables.
 */
export function fillCard(model, facts, tables) {
  const { training, members, classes, metrics } = model;
  const rows = [
    ["answers", `probability of ${classes[1]}, against ${classes[0]}`],
    ["networks", members.map(({ build }) => `${build.backbone}, ${build.image_size} px`).join("; ")],
    ["views of each image", members.map(({ views }) => views.length).join("; ")],
    ["learnt from", `${training.images.train ?? 0} images${sources(training)}`],
    ["thresholds and calibration from", `${training.images.val ?? 0} images`],
    ["licence", training.licence || "not recorded"],
    ["calibration", model.calibration.method],
    ["weights on disk", `${members[0].onnx.dtype}, ${size(members)} MB`],
    ["identity", model.identity],
  ];
  facts.append(...rows.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
  const points = Object.entries(model.operating_points).map(([name, { threshold, words }]) => [
    name,
    threshold.toFixed(4),
    words,
  ]);
  tables.append(table("Operating points", ["name", "from", "rule"], points));
  for (const [split, found] of Object.entries(metrics)) tables.append(scores(split, found));
  if (!Object.keys(metrics).length) tables.append(element("p", "No evaluation is recorded."));
}

const sources = ({ sources: names }) => (names.length ? ` of ${names.join(", ")}` : "");
const size = (members) =>
  (members.reduce((sum, { onnx }) => sum + onnx.bytes, 0) / 1e6).toFixed(1);

function scores(split, { images, positives, threshold_rule, scores: found }) {
  const title = `Scores on ${split}: ${images} images, ${positives} positive, ${threshold_rule}`;
  const rows = Object.entries(SCORES)
    .filter(([name]) => name in found)
    .map(([name, words]) => [words, shown(found[name].value), interval(found[name])]);
  return table(title, ["score", "value", "95 % interval"], rows);
}

const shown = (value) => (value === null ? "undefined" : value.toFixed(3));
const interval = ({ low, high }) => (low === null ? "" : `${shown(low)} to ${shown(high)}`);

function table(title, head, rows) {
  const made = document.createElement("table");
  made.append(element("caption", title));
  const names = document.createElement("tr");
  names.append(...head.map((text) => Object.assign(element("th", text), { scope: "col" })));
  made.createTHead().append(names);
  const body = made.createTBody();
  for (const [first, ...rest] of rows) {
    const head = Object.assign(element("th", first), { scope: "row" });
    const line = document.createElement("tr");
    line.append(head, ...rest.map((text) => element("td", text)));
    body.append(line);
  }
  const scroll = Object.assign(element("div", ""), { className: "scroll", tabIndex: 0 });
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", title);
  scroll.append(made);
  return scroll;
}

const element = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
