/** Why an answer may be worth little: the flags of `skinlesion.data.quality`, from 256 x 256 pixels. */

const SIDE = 256;
const TINY_SIDE = 224; // pixels
const BLANK_CONTRAST = 4; // grey levels
const BLURRED_BELOW = 0.65; // radians a pixel at 128 x 128
const LUMINANCE = [0.299, 0.587, 0.114];
const BLOCKS = 16;
const CELLS = 64;
const OFFSET = 4;

export const FLAGS = {
  small: `a side of the file is below ${TINY_SIDE} pixels`,
  blank: "nothing can be seen",
  blurred: "no fine detail",
  "unlike-dermoscopy": "colours and edges are unlike those of dermoscopic images",
};

/**
 * @param picture The whole image squashed to 256 x 256.
 * @param shorterSide Of the file's image, in pixels.
 * @param reference {threshold, sources: [{mean, inverse}]}, from model.json.
 * @returns Names of `FLAGS`, in that order.
 */
export function qualityFlags(picture, shorterSide, reference) {
  const small = shorterSide < TINY_SIDE ? ["small"] : [];
  if (contrast(picture.data) < BLANK_CONTRAST) return [...small, "blank"];
  const blurred = sharpness(means(picture.data, SIDE, 2), SIDE / 2) < BLURRED_BELOW;
  const unlike = unlikeness(picture.data, reference) > reference.threshold;
  return [...small, ...(blurred ? ["blurred"] : []), ...(unlike ? ["unlike-dermoscopy"] : [])];
}

/** Mahalanobis distance of the appearance from the nearer source. */
export function unlikeness(rgb, { sources }) {
  const values = appearance(rgb);
  return Math.min(...sources.map(({ mean, inverse }) => distance(values, mean, inverse)));
}

function distance(values, mean, inverse) {
  const offset = values.map((value, place) => value - mean[place]);
  const sum = inverse.reduce(
    (total, row, i) => total + offset[i] * row.reduce((part, cell, j) => part + cell * offset[j], 0),
    0,
  );
  return Math.sqrt(sum);
}

/** Eleven numbers on colour, light and edges: `dermoscopy.appearance`. */
export function appearance(rgb) {
  const cells = means(rgb, SIDE, SIDE / CELLS).map((level) => level + OFFSET);
  const count = CELLS * CELLS;
  const reddish = new Float64Array(count);
  const bluish = new Float64Array(count);
  for (let place = 0; place < count; place++) {
    const [red, green, blue] = [0, 1, 2].map((channel) => Math.log(cells[3 * place + channel]));
    reddish[place] = red - green;
    bluish[place] = blue - green;
  }
  const grey = luminance(cells);
  const light = grey.map(Math.log);
  const [dark, middle, bright] = [10, 50, 90].map((share) => percentile(light, share));
  const edges = gradients(grey);
  const frequency = sharpness(rgb, SIDE);
  return [
    percentile(reddish, 50),
    percentile(bluish, 50),
    Math.log(deviation(reddish) + 0.01),
    Math.log(deviation(bluish) + 0.01),
    middle,
    bright - middle,
    Math.log(middle - dark + 0.05),
    frequency > 0 ? Math.log(frequency) : 2,
    Math.log(average(edges) + 0.2),
    average(centre(light)) - average(light),
    Math.log(percentile(edges, 50) + 0.2),
  ];
}

/** Typical spatial frequency of the edges: `exposure.sharpness`; NaN where there is none. */
export function sharpness(rgb, side) {
  const grey = luminance(rgb);
  let gradient = 0;
  let laplacian = 0;
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) {
      const at = y * side + x;
      const [up, down, left, right] = [grey[at - side], grey[at + side], grey[at - 1], grey[at + 1]];
      gradient += (down - up) ** 2 + (right - left) ** 2;
      laplacian += (up + down + left + right - 4 * grey[at]) ** 2;
    }
  }
  return gradient === 0 ? NaN : Math.sqrt(laplacian / (gradient / 4));
}

/** Spread of the light over 16 x 16 blocks: `exposure.contrast` of 256 x 256 pixels. */
export function contrast(rgb) {
  const blocks = luminance(means(rgb, SIDE, SIDE / BLOCKS));
  return percentile(blocks, 95) - percentile(blocks, 5);
}

/** Means of `cell` x `cell` pixels, RGB. */
function means(rgb, side, cell) {
  const cells = side / cell;
  const out = new Float64Array(cells * cells * 3);
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++, at += 3) {
      const to = (Math.floor(y / cell) * cells + Math.floor(x / cell)) * 3;
      for (let channel = 0; channel < 3; channel++) out[to + channel] += rgb[at + channel];
    }
  }
  return out.map((sum) => sum / (cell * cell));
}

function luminance(rgb) {
  const grey = new Float64Array(rgb.length / 3);
  for (let at = 0; at < grey.length; at++) {
    for (let channel = 0; channel < 3; channel++) grey[at] += rgb[3 * at + channel] * LUMINANCE[channel];
  }
  return grey;
}

/** Length of numpy's gradient at each cell: half differences, whole ones at the rim. */
function gradients(grey) {
  const slope = (low, high, step) => (grey[high] - grey[low]) / step;
  return grey.map((_, at) => {
    const x = at % CELLS;
    const y = (at - x) / CELLS;
    const [left, right] = [Math.max(x - 1, 0), Math.min(x + 1, CELLS - 1)];
    const [up, down] = [Math.max(y - 1, 0), Math.min(y + 1, CELLS - 1)];
    return Math.hypot(
      slope(y * CELLS + left, y * CELLS + right, right - left),
      slope(up * CELLS + x, down * CELLS + x, down - up),
    );
  });
}

function centre(cells) {
  const quarter = CELLS / 4;
  const isInside = (place) => place >= quarter && place < CELLS - quarter;
  return cells.filter((_, at) => isInside(at % CELLS) && isInside(Math.floor(at / CELLS)));
}

/** Between the two nearest, as numpy's. */
function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = ((sorted.length - 1) * share) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values) {
  const middle = average(values);
  return Math.sqrt(average(values.map((value) => (value - middle) ** 2)));
}
