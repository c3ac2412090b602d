/** Answers as CSV with the columns of `skinlesion predict`. */

import { decide } from "./answers.js";

const COLUMNS = "path,probability,calibrated,decision,refer,flags,error,threshold,model";
const DIGITS = 6;
const COMPUTED = /^\s*[=+\-@\t\uff1d\uff0b\uff0d\uff20]/; // by a spreadsheet; "=1.jpg" is written as "'=1.jpg"

/**
 * @param model The contents of model.json.
 * @param point Name of the operating point.
 * @param rows [{name, result}] or [{name, error}].
 */
export function toCsv(model, point, rows) {
  const limit = Number(model.operating_points[point].threshold.toPrecision(DIGITS));
  const ending = [`${point}=${limit}`, model.identity];
  const lines = rows.map((row) => [...cells(model, point, row), ...ending].map(quoted).join(","));
  return [COLUMNS, ...lines, ""].join("\n");
}

function cells(model, point, { name, result, error }) {
  if (error !== undefined) return [plain(name), "", "", "", "", "", plain(error)];
  const { probability, calibrated, refer, flags } = result;
  const referred = refer === null ? "" : refer ? "yes" : "no";
  const decision = decide(model, point, probability);
  return [plain(name), digits(probability), digits(calibrated), decision, referred, flags.join(";"), ""];
}

const digits = (value) => String(Number(value.toPrecision(DIGITS)));

const plain = (text) => (COMPUTED.test(text) ? `'${text}` : text);

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
