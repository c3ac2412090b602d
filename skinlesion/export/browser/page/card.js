/** The model card: what model.json says of the model. */

import { make, percent } from "./dom.js";

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
    ["Answers", `probability of ${classes[1]}, against ${classes[0]}`],
    ["Networks", members.map(({ build }) => `${build.backbone}, ${build.image_size} px`).join("; ")],
    ["Views of a picture", members.map(({ views }) => views.length).join("; ")],
    ["Learnt from", `${training.images.train ?? 0} images${sources(training)}`],
    ["Thresholds from", `${training.images.val ?? 0} images`],
    ["Licence", training.licence || "not recorded"],
    ["Calibration", model.calibration.method],
    ["Weights", `${members[0].onnx.dtype}, ${size(members)} MB`],
    ["Identity", model.identity],
  ];
  facts.append(
    ...rows.flatMap(([term, text]) => [
      make("dt", { textContent: term }),
      make("dd", { textContent: text }),
    ]),
  );
  const points = Object.entries(model.operating_points).map(([name, { threshold, words }]) => [
    name,
    percent(threshold),
    words,
  ]);
  tables.append(table("Operating points", ["Name", "From", "Chosen by"], points));
  for (const [split, found] of Object.entries(metrics)) tables.append(scores(split, found));
  if (!Object.keys(metrics).length) tables.append(make("p", { textContent: "No evaluation is recorded." }));
}

const sources = ({ sources: names }) => (names.length ? ` of ${names.join(", ")}` : "");
const size = (members) =>
  (members.reduce((sum, { onnx }) => sum + onnx.bytes, 0) / 1e6).toFixed(1);

function scores(split, { images, positives, threshold_rule, scores: found }) {
  const title = `Scores on ${split}: ${images} images, ${positives} positive, ${threshold_rule}`;
  const rows = Object.entries(SCORES)
    .filter(([name]) => name in found)
    .map(([name, words]) => [words, shown(found[name].value), interval(found[name])]);
  return table(title, ["Score", "Value", "95 % interval"], rows);
}

const shown = (value) => (value === null ? "undefined" : value.toFixed(3));
const interval = ({ low, high }) => (low === null ? "" : `${shown(low)} to ${shown(high)}`);

function table(title, head, rows) {
  const cell = (tag, textContent, scope = "") => make(tag, { textContent, ...(scope && { scope }) });
  const made = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...head.map((text) => cell("th", text, "col")))),
    make(
      "tbody",
      {},
      ...rows.map(([first, ...rest]) =>
        make("tr", {}, cell("th", first, "row"), ...rest.map((text) => cell("td", text))),
      ),
    ),
  );
  const scroll = make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: title }, made);
  return make("details", {}, make("summary", { textContent: title }), scroll);
}
