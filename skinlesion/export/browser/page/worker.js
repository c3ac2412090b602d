/** Answers for files, away from the page so that it stays responsive; nothing is sent anywhere. */

import { answer } from "./answers.js";
import { Unreadable, inspect } from "./files.js";
import { Collector, draftFactor, inSymmetry, scaled, square } from "./pixels.js";
import { qualityFlags } from "./quality.js";
import * as ort from "./onnxruntime/ort.wasm.bundle.min.js";

const STRIP = 512; // rows that are read at a time; a multiple of 8
const PLAIN = { stored_size: 256, fit: "squash" }; // what flags look at
const THUMBNAIL = 256;

let model;
let sessions;

/** What the page may ask for, by name. */
const TASKS = { load, predict };

self.onmessage = async ({ data: { id, task, argument } }) => {
  try {
    const { transfer = [], ...result } = await TASKS[task](argument);
    self.postMessage({ id, result }, transfer);
  } catch (error) {
    self.postMessage({ id, error: error.message, isUnreadable: error instanceof Unreadable });
  }
};

/** @param argument {model, base}: model.json's contents, and the page's own address. */
async function load({ model: described, base }) {
  model = described;
  const files = [model.runtime, ...model.members.map(({ onnx }) => onnx)];
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const contents = [];
  for (const file of files) {
    contents.push(
      await fetched(new URL(file.name, base), file.bytes, (more) => {
        done += more;
        self.postMessage({ progress: done / total });
      }),
    );
  }
  // Several threads would need headers that a plain server does not send.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = contents[0];
  sessions = [];
  for (const content of contents.slice(1)) {
    sessions.push(await ort.InferenceSession.create(content, { executionProviders: ["wasm"] }));
  }
  return {};
}

async function fetched(url, bytes, advance) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname}: the server answers ${response.status}`);
  const content = new Uint8Array(bytes);
  let done = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (done + part.value.length <= bytes) content.set(part.value, done);
    done += part.value.length;
    advance(part.value.length);
  }
  if (done !== bytes) {
    throw new Error(`${url.pathname} has ${done} bytes, expected ${bytes}: copy the folder again`);
  }
  return content;
}

/** @param file A File of the user's. */
async function predict(file) {
  const start = performance.now();
  const found = inspect(new Uint8Array(await file.arrayBuffer()));
  const look = await decoder(found);
  const plain = look(PLAIN);
  const logits = [];
  for (const [place, member] of model.members.entries()) {
    logits.push(await logitsOf(sessions[place], member, look(member.preprocessing)));
  }
  const flags = qualityFlags(plain, Math.min(found.width, found.height), model.dermoscopy);
  const isTurned = found.orientation >= 5;
  const [width, height] = isTurned ? [found.height, found.width] : [found.width, found.height];
  const thumbnail = await thumbnailOf(plain, width, height);
  const milliseconds = performance.now() - start;
  const result = { ...answer(model, logits), logits, flags, width, height, milliseconds, thumbnail };
  return { ...result, transfer: [thumbnail] };
}

/** A function from a preprocessing to its square picture; it decodes once for each shrinking. */
async function decoder(found) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob(found.parts, { type: found.type }), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Unreadable("the browser cannot decode it: it is damaged or of an unusual kind");
  }
  if (bitmap.width !== found.width || bitmap.height !== found.height) {
    throw new Unreadable("the browser decodes it to another size than the file says");
  }
  const [pictures, squares] = [new Map(), new Map()];
  return (how) => {
    const isJpeg = found.type === "image/jpeg";
    const factor = isJpeg ? draftFactor(found.width, found.height, how) : 1;
    const key = `${how.stored_size} ${how.fit}`;
    if (!pictures.has(factor)) pictures.set(factor, read(bitmap, factor));
    if (!squares.has(key)) squares.set(key, square(pictures.get(factor), how, found.orientation));
    return squares.get(key);
  };
}

/** All pixels, on black where the picture is transparent, strip by strip. */
function read(bitmap, factor) {
  const { width, height } = bitmap;
  const collector = new Collector(width, height, factor);
  const canvas = new OffscreenCanvas(width, Math.min(STRIP, height));
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  for (let top = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    collector.push(context.getImageData(0, 0, width, rows).data, width, rows);
  }
  return collector;
}

async function logitsOf(session, member, picture) {
  const size = member.build.image_size;
  const logits = [];
  for (const { symmetry, scale } of member.views) {
    const pixels = scaled(inSymmetry(picture, symmetry), size, scale);
    const image = new ort.Tensor("float32", pixels, [1, size, size, 3]);
    const { logit } = await session.run({ image }, ["logit"]);
    logits.push(logit.data[0]);
  }
  return logits;
}

/** The whole picture in its own proportions, for the page to show. */
async function thumbnailOf(plain, width, height) {
  const rgba = new Uint8ClampedArray(plain.width * plain.height * 4).fill(255);
  for (let from = 0, to = 0; from < plain.data.length; from += 3, to += 4) {
    rgba.set(plain.data.subarray(from, from + 3), to);
  }
  const scale = THUMBNAIL / Math.max(width, height);
  return createImageBitmap(new ImageData(rgba, plain.width, plain.height), {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: "medium",
  });
}
