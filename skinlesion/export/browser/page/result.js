/** The answer for one picture in full. */

import { decide, sigmoid } from "./answers.js";
import { at, make, percent } from "./dom.js";
import { FLAGS } from "./quality.js";

export function clearResult() {
  at("result").hidden = true;
}

/**
 * @param model The contents of model.json.
 * @param point Name of the operating point.
 * @param row {name, result} or {name, error}.
 */
export function showResult(model, point, { name, result, error }) {
  const isBroken = error !== undefined;
  at("result").hidden = false;
  at("result").classList.toggle("broken", isBroken);
  at("stage").hidden = isBroken;
  at("numbers").hidden = isBroken;
  at("point-words").hidden = isBroken;
  at("result-title").textContent = name;
  if (isBroken) {
    at("decision").textContent = `Not classified: ${error}`;
    at("decision").className = "decision broken";
    return;
  }
  draw(at("picture"), name, result);
  showDecision(model, point, result.probability);
  showBar(model, point, result);
  at("facts").replaceChildren(
    ...facts(model, result).flatMap(([term, value, words = ""]) => [
      make("dt", { textContent: term }),
      make("dd", {}, value, make("span", { className: "dim", textContent: words })),
    ]),
  );
  at("flags").replaceChildren(
    ...result.flags.map((flag) => make("li", { textContent: `${flag}: ${FLAGS[flag]}` })),
  );
}

function draw(canvas, name, { thumbnail, width, height }) {
  Object.assign(canvas, { width: thumbnail.width, height: thumbnail.height });
  canvas.setAttribute("aria-label", `${name}, ${width} x ${height} pixels`);
  canvas.getContext("2d").drawImage(thumbnail, 0, 0);
}

function showDecision(model, point, probability) {
  const decision = decide(model, point, probability);
  const { threshold, words } = model.operating_points[point];
  const positive = model.classes[1];
  at("decision").textContent = decision;
  at("decision").className = decision === positive ? "decision positive" : "decision";
  at("point-words").textContent = `Called ${positive} from ${percent(threshold)} on (${words}).`;
}

function showBar(model, point, { probability, logits }) {
  const { threshold } = model.operating_points[point];
  // The spread of one network's views; the views of several are not alike.
  const views = logits.length === 1 ? logits[0].map(sigmoid) : [];
  const hasBand = views.length > 1;
  const [low, high] = hasBand ? [Math.min(...views), Math.max(...views)] : [0, 0];
  const place = (id, share) => (at(id).style.left = `${100 * Math.min(share, 1)}%`);
  at("probability").textContent = percent(probability);
  for (const id of ["band", "band-key"]) at(id).hidden = !hasBand;
  at("band").style.width = `${100 * (high - low)}%`;
  place("band", low);
  place("cut", threshold);
  place("mark", probability);
  const spread = hasBand ? `, ${percent(low)} to ${percent(high)} over the symmetries` : "";
  at("bar").setAttribute(
    "aria-label",
    `Probability ${percent(probability)}${spread}, operating point ${percent(threshold)}`,
  );
}

function facts(model, { calibrated, refer, width, height, milliseconds }) {
  const { method } = model.calibration;
  const found = [["Calibrated", percent(calibrated), `by ${method}, fitted on val`]];
  if (refer !== null) {
    const { benign_coverage, malignant_coverage } = model.conformal;
    const covered = `${percent(benign_coverage)} of ${model.classes[0]} and ${percent(malignant_coverage)} of ${model.classes[1]}`;
    const words = `sets that hold ${covered} val images ${refer ? "do not settle" : "settle"} on one class`;
    found.push(["Refer", refer ? "yes" : "no", words]);
  }
  return [...found, ["Picture", `${width} x ${height} pixels`, `${Math.round(milliseconds)} ms`]];
}
