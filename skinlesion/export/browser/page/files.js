/**
 * What an image file says of itself: format, size, orientation; and its bytes without colour
 * profile and orientation, so that every browser decodes the same plain pixels as Python.
 */

const MIN_SIDE = 8; // pixels
const MAX_PIXELS = 89_478_485;
const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
// Chunks that change how a browser shows a PNG, but not the pixels that Python reads.
const DISPLAY = ["cHRM", "gAMA", "iCCP", "sRGB", "cICP", "mDCV", "cLLI", "eXIf"];

/** A file that cannot be read; its message is for the user. */
export class Unreadable extends Error {}

/**
 * @param bytes Of the whole file, a Uint8Array.
 * @returns {type, width, height, orientation, parts}: `parts` make the file to be decoded.
 * @throws Unreadable
 */
export function inspect(bytes) {
  const reader = READERS.find(({ starts }) => startsWith(bytes, starts));
  if (!reader) throw new Unreadable(reasonFor(bytes));
  let found;
  try {
    found = reader.read(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw new Unreadable("the file is cut short");
    throw error;
  }
  refuseSize(found);
  return { type: reader.type, orientation: 1, parts: [bytes], ...found };
}

function reasonFor(bytes) {
  if (startsWith(bytes, "II*\0") || startsWith(bytes, "MM\0*")) {
    return "browsers do not read TIFF; convert it to PNG, or use skinlesion predict";
  }
  return bytes.length ? "its content is not that of a JPEG, PNG or BMP file" : "the file is empty";
}

function refuseSize({ width, height }) {
  if (Math.min(width, height) < MIN_SIDE || width * height > MAX_PIXELS) {
    throw new Unreadable(
      `it has ${width} x ${height} pixels; expected at least ${MIN_SIDE} a side and at most ` +
        `${MAX_PIXELS} in all`,
    );
  }
}

function readJpeg(bytes) {
  const view = viewOf(bytes);
  const found = {};
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  for (;;) {
    if (view.getUint8(at) !== 0xff) throw new Unreadable("the JPEG is damaged");
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    const end = at + 2 + view.getUint16(at + 2);
    const body = bytes.subarray(at + 4, end);
    if (marker === 0xda) break;
    if (isFrame(marker)) Object.assign(found, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
    if (marker === 0xe1) noteOrientation(body, found);
    // APP0 is JFIF's, APP14 Adobe's: both say how colours are stored.
    const isNote = marker > 0xe0 && marker <= 0xef && marker !== 0xee;
    if (!isNote) parts.push(bytes.subarray(at, end));
    at = end;
  }
  if (!found.width) throw new Unreadable("the JPEG has no picture");
  if (!hasEnd(bytes, at)) throw new Unreadable("the file is cut short");
  parts.push(bytes.subarray(at));
  return { width: found.width, height: found.height, orientation: found.exif ?? found.xmp ?? 1, parts };
}

const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function hasEnd(bytes, from) {
  for (let at = bytes.length - 2; at > from; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

function noteOrientation(body, found) {
  if (startsWith(body, EXIF)) found.exif ??= exifOrientation(body.subarray(EXIF.length));
  if (startsWith(body, XMP)) {
    const [, digit] = /tiff:Orientation(?:="|>)([0-9])/.exec(text(body)) ?? [];
    if (digit) found.xmp ??= Number(digit);
  }
}

/** Of a TIFF block; undefined where it is missing or damaged. */
function exifOrientation(block) {
  const little = startsWith(block, "II");
  if (!little && !startsWith(block, "MM")) return undefined;
  const view = viewOf(block);
  try {
    const first = view.getUint32(4, little);
    for (let entry = 0; entry < view.getUint16(first, little); entry++) {
      const at = first + 2 + 12 * entry;
      if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

function readPng(bytes) {
  const view = viewOf(bytes);
  const parts = [bytes.subarray(0, 8)];
  const found = {};
  for (let at = 8, name = ""; name !== "IEND"; ) {
    const end = at + 12 + view.getUint32(at);
    name = text(bytes.subarray(at + 4, at + 8));
    view.getUint8(end - 1); // or it is cut short
    if (name === "IHDR") Object.assign(found, { width: view.getUint32(at + 8), height: view.getUint32(at + 12) });
    if (name === "eXIf") found.orientation = exifOrientation(bytes.subarray(at + 8, end - 4)) ?? 1;
    if (!DISPLAY.includes(name)) parts.push(bytes.subarray(at, end));
    at = end;
  }
  if (!found.width) throw new Unreadable("the PNG has no picture");
  return { ...found, parts };
}

function readBmp(bytes) {
  const view = viewOf(bytes);
  if (view.getUint32(14, true) === 12) {
    return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  }
  return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}

const READERS = [
  { starts: "\xff\xd8\xff", type: "image/jpeg", read: readJpeg },
  { starts: "\x89PNG\r\n\x1a\n", type: "image/png", read: readPng },
  { starts: "BM", type: "image/bmp", read: readBmp },
];

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function startsWith(bytes, letters) {
  return [...letters].every((letter, place) => bytes[place] === letter.charCodeAt(0));
}

/** Byte by byte. */
function text(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
