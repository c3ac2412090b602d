/** From logits to an answer: views, members, calibration, decision, referral; as in Python. */

const MIN_LIKELIHOOD = 1e-7; // of a member's probability, before its log odds are taken
const LOWEST = 1e-300; // of a probability that is calibrated
const HIGHEST = 1 - 2 ** -53;

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const weighted = (values, weights) =>
  values.reduce((sum, value, place) => sum + value * weights[place], 0);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export function sigmoid(value) {
  const small = Math.exp(-Math.abs(value));
  return (value >= 0 ? 1 : small) / (1 + small);
}

function logOdds(probability) {
  const kept = clamp(probability, MIN_LIKELIHOOD, 1 - MIN_LIKELIHOOD);
  return Math.log(kept) - Math.log1p(-kept);
}

/** A member's probability from the logits of its views. */
export const AVERAGES = {
  logit: (logits) => sigmoid(mean(logits)),
  probability: (logits) => mean(logits.map(sigmoid)),
};

const byWeight = ({ weights }, values) => clamp(weighted(values, weights), 0, 1);

/** One probability from the members': the names of `ensemble.COMBINERS`. */
export const COMBINERS = {
  mean: byWeight,
  weighted: byWeight,
  greedy: byWeight,
  best_subset: byWeight,
  logit_mean: ({ weights }, values) => sigmoid(weighted(values.map(logOdds), weights)),
  majority_vote: ({ thresholds }, values) =>
    mean(values.map((value, place) => Number(value >= thresholds[place]))),
  stacking: ({ intercept, weights }, values) =>
    sigmoid(intercept + weighted(values.map(logOdds), weights)),
};

/** ln p and -ln(1 - p). */
function logParts(probability) {
  const kept = clamp(probability, LOWEST, HIGHEST);
  return [Math.log(kept), -Math.log1p(-kept)];
}

const logitOf = (probability) => logParts(probability)[0] + logParts(probability)[1];

/** The names of `metrics.CALIBRATORS`. */
export const CALIBRATORS = {
  none: (_, probability) => probability,
  temperature: ({ slope }, probability) => sigmoid(slope * logitOf(probability)),
  platt: ({ slope, intercept }, probability) => sigmoid(slope * logitOf(probability) + intercept),
  beta: ({ a, b, c }, probability) => {
    const [positive, negative] = logParts(probability);
    return sigmoid(a * positive + b * negative + c);
  },
  isotonic: ({ knots, values }, probability) => interpolate(knots, values, probability),
};

function interpolate(knots, values, x) {
  const last = knots.length - 1;
  if (x <= knots[0]) return values[0];
  if (x >= knots[last]) return values[last];
  const right = knots.findIndex((knot) => knot > x);
  const share = (x - knots[right - 1]) / (knots[right] - knots[right - 1]);
  return values[right - 1] + share * (values[right] - values[right - 1]);
}

/**
 * What does not depend on the operating point.
 *
 * @param model The contents of model.json.
 * @param logits An array for each member: of each of its views.
 * @returns {probability, calibrated, refer}; refer is null where the model has no conformal sets.
 */
export function answer(model, logits) {
  const columns = model.members.map(({ average }, place) => AVERAGES[average](logits[place]));
  const { combiner, calibration, conformal } = model;
  const probability = combiner ? COMBINERS[combiner.name](combiner.params, columns) : columns[0];
  const calibrated = CALIBRATORS[calibration.method](calibration.params, probability);
  return { probability, calibrated, refer: refers(conformal, probability) };
}

/** Whether the conformal set holds both classes or none. */
export function refers(conformal, probability) {
  if (!conformal) return null;
  return probability <= conformal.benign_up_to === probability >= conformal.malignant_from;
}

/** The class at the operating point. */
export function decide(model, point, probability) {
  return model.classes[Number(probability >= model.operating_points[point].threshold)];
}
