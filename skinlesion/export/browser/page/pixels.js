/**
 * Pixels as the Python package computes them: the same filters, roundings, crops and turns.
 *
 * A picture is {data, width, height}: RGB row by row, three numbers a pixel, 0 to 255.
 */

const BITS = 22; // of Pillow's whole-number weights
// How an EXIF orientation is undone: what the output's row and column read, see `turn`.
const UPRIGHT = {
  2: [false, false, true],
  3: [false, true, true],
  4: [false, true, false],
  5: [true, false, false],
  6: [true, true, false],
  7: [true, true, true],
  8: [true, false, true],
};

/**
 * What `skinlesion.data.images.decode` makes of a picture that was collected by `Collector`.
 *
 * @param picture In the file's own orientation.
 * @param how {stored_size, fit}, a bundle's preprocessing without cleaning.
 * @param orientation Of EXIF, 1 to 8.
 * @returns A square picture of bytes.
 */
export function square(picture, how, orientation) {
  const size = how.stored_size;
  let kept = picture;
  let target = [size, size];
  if (how.fit === "center_crop") {
    const side = Math.min(picture.width, picture.height);
    kept = crop(picture, (picture.width - side) >> 1, (picture.height - side) >> 1, side);
  } else if (how.fit === "letterbox") {
    const longer = Math.max(picture.width, picture.height);
    target = [picture.width, picture.height].map((side) =>
      Math.max(1, roundHalfEven((size * side) / longer)),
    );
  }
  return pad(upright(pillowResize(kept, ...target), orientation), size);
}

/**
 * By how much a JPEG may be shrunk while it is decoded: Pillow's choice for this preprocessing.
 *
 * @returns 1, 2, 4 or 8.
 */
export function draftFactor(width, height, how) {
  let wanted = [2 * how.stored_size, 2 * how.stored_size];
  if (how.fit === "letterbox") {
    const longer = Math.max(width, height);
    wanted = [width, height].map((side) => Math.max(1, Math.floor((wanted[0] * side) / longer)));
  }
  const scale = Math.min(Math.floor(width / wanted[0]), Math.floor(height / wanted[1]));
  return [8, 4, 2].find((factor) => scale >= factor) ?? 1;
}

/** Takes RGBA rows from the top down and keeps means of `factor` x `factor` pixels, as libjpeg. */
export class Collector {
  constructor(width, height, factor) {
    this.factor = factor;
    this.width = Math.ceil(width / factor);
    this.height = Math.ceil(height / factor);
    this.data = new Uint8Array(this.width * this.height * 3);
    this._rows = 0;
  }

  /** @param rgba Whole rows; as many as `factor` divides, but for the last. */
  push(rgba, width, rows) {
    for (let top = 0; top < rows; top += this.factor) {
      const down = Math.min(this.factor, rows - top);
      for (let column = 0; column < this.width; column++) {
        const left = column * this.factor;
        const across = Math.min(this.factor, width - left);
        this._mean(rgba, width, top, left, down, across, this._rows * this.width + column);
      }
      this._rows++;
    }
  }

  _mean(rgba, width, top, left, down, across, place) {
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let y = top; y < top + down; y++) {
      for (let at = (y * width + left) * 4, end = at + across * 4; at < end; at += 4) {
        red += rgba[at];
        green += rgba[at + 1];
        blue += rgba[at + 2];
      }
    }
    const count = down * across;
    // Halves, which are frequent among means of bytes, must not all go up: that brightens.
    this.data[3 * place] = roundHalfEven(red / count);
    this.data[3 * place + 1] = roundHalfEven(green / count);
    this.data[3 * place + 2] = roundHalfEven(blue / count);
  }
}

/**
 * Pillow's `resize` with BILINEAR, to the bit: across, rounded to bytes, then down.
 *
 * Pillow 13 goes down first where an image is shrunk much more downwards: one level of difference.
 */
export function pillowResize(picture, width, height) {
  let { data } = picture;
  if (picture.width !== width) {
    const rows = picture.height;
    const out = new Uint8Array(rows * width * 3);
    const spans = pillowSpans(picture.width, width);
    for (let y = 0; y < rows; y++) {
      weigh(data, y * picture.width * 3, 3, spans, out, y * width * 3, 3);
    }
    data = out;
  }
  if (picture.height !== height) {
    const out = new Uint8Array(height * width * 3);
    const spans = pillowSpans(picture.height, height);
    for (let x = 0; x < width; x++) weigh(data, x * 3, width * 3, spans, out, x * 3, width * 3);
    data = out;
  }
  return { data, width, height };
}

/** One line of pixels through Pillow's whole-number weights. */
function weigh(source, from, step, spans, out, to, stride) {
  for (const { start, weights } of spans) {
    let red = 1 << (BITS - 1);
    let green = red;
    let blue = red;
    let at = from + start * step;
    for (let k = 0; k < weights.length; k++, at += step) {
      red += source[at] * weights[k];
      green += source[at + 1] * weights[k];
      blue += source[at + 2] * weights[k];
    }
    out[to] = red >> BITS;
    out[to + 1] = green >> BITS;
    out[to + 2] = blue >> BITS;
    to += stride;
  }
}

/** For each output: the first input it reads, and the weights of that and those after it. */
function pillowSpans(size, wanted) {
  const scale = size / wanted;
  const support = Math.max(scale, 1);
  return Array.from({ length: wanted }, (_, place) => {
    const center = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(size, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: end - start }, (_, k) =>
      triangle((k + start - center + 0.5) / support),
    );
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    const weights = Int32Array.from(raw, (weight) => Math.trunc(0.5 + (weight / total) * 2 ** BITS));
    return { start, weights };
  });
}

/**
 * `skinlesion.training.views.scaled`: the triangle filter of tf.image.resize, antialiased.
 *
 * @param picture Square.
 * @param size The side that is wanted.
 * @param scale How many times larger the lesion appears, about the centre.
 * @returns Float32Array, RGB.
 */
export function scaled(picture, size, scale) {
  const side = picture.width;
  if (scale === 1 && side === size) return Float32Array.from(picture.data);
  const spans = centredSpans(side, size, scale);
  const across = new Float32Array(side * size * 3);
  for (let y = 0; y < side; y++) spread(picture.data, y * side * 3, 3, spans, across, y * size * 3, 3);
  const out = new Float32Array(size * size * 3);
  for (let x = 0; x < size; x++) spread(across, x * 3, size * 3, spans, out, x * 3, size * 3);
  return out;
}

function spread(source, from, step, spans, out, to, stride) {
  for (const { places, weights } of spans) {
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (let k = 0; k < places.length; k++) {
        sum += source[from + places[k] * step + channel] * weights[k];
      }
      out[to + channel] = sum;
    }
    to += stride;
  }
}

/** For each output: the inputs it reads, mirrored beyond the edge, and their weights. */
function centredSpans(side, size, scale) {
  const factor = (size * scale) / side;
  const reach = Math.max(1, 1 / factor);
  const margin = scale < 1 ? Math.ceil((side / scale - side) / 2 + reach) : 0;
  const padded = side + 2 * margin;
  const offset = size / 2 - (padded / 2) * factor;
  return Array.from({ length: size }, (_, place) => {
    const center = (place + 0.5 - offset) / factor;
    const start = Math.max(0, Math.ceil(center - reach - 0.5));
    const end = Math.min(padded - 1, Math.floor(center + reach - 0.5));
    const places = [];
    const weights = [];
    for (let source = start; source <= end; source++) {
      places.push(mirrored(source - margin, side));
      weights.push(triangle((source + 0.5 - center) / reach));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { places, weights: weights.map((weight) => weight / total) };
  });
}

function mirrored(place, side) {
  const wrapped = ((place % (2 * side)) + 2 * side) % (2 * side);
  return wrapped < side ? wrapped : 2 * side - 1 - wrapped;
}

function triangle(x) {
  return Math.max(0, 1 - Math.abs(x));
}

/** The square picture in one of the eight symmetries: `duplicates.symmetries.apply_symmetry`. */
export function inSymmetry(picture, symmetry) {
  const [swap, down, right] = [4, 2, 1].map((bit) => Boolean(symmetry & bit));
  return turn(picture, swap, ...(swap ? [right, down] : [down, right]));
}

function upright(picture, orientation) {
  return orientation in UPRIGHT ? turn(picture, ...UPRIGHT[orientation]) : picture;
}

/**
 * @param swap Whether rows become columns.
 * @param fromBottom Whether the source's rows are read upwards.
 * @param fromRight Whether the source's columns are read leftwards.
 */
function turn(picture, swap, fromBottom, fromRight) {
  if (!(swap || fromBottom || fromRight)) return picture;
  const [width, height] = swap ? [picture.height, picture.width] : [picture.width, picture.height];
  const data = new picture.data.constructor(picture.data.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      let [row, column] = swap ? [x, y] : [y, x];
      if (fromBottom) row = picture.height - 1 - row;
      if (fromRight) column = picture.width - 1 - column;
      const from = (row * picture.width + column) * 3;
      data[to] = picture.data[from];
      data[to + 1] = picture.data[from + 1];
      data[to + 2] = picture.data[from + 2];
    }
  }
  return { data, width, height };
}

function crop(picture, left, top, side) {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * picture.width + left) * 3;
    data.set(picture.data.subarray(from, from + side * 3), y * side * 3);
  }
  return { data, width: side, height: side };
}

/** In the middle of a black square. */
function pad(picture, size) {
  if (picture.width === size && picture.height === size) return picture;
  const data = new Uint8Array(size * size * 3);
  const left = (size - picture.width) >> 1;
  const top = (size - picture.height) >> 1;
  for (let y = 0; y < picture.height; y++) {
    const row = picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
    data.set(row, ((top + y) * size + left) * 3);
  }
  return { data, width: size, height: size };
}

/** As Python's `round`. */
function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
