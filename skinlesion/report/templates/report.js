// Sorts the leaderboard and recomputes the scores at a threshold. Fetches nothing.
"use strict";

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = [...table.tBodies[0].rows].some((row) => row.cells[column].dataset.number);
      // Numbers begin with the largest, names with the first.
      const first = numbers ? "descending" : "ascending";
      const other = numbers ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sortRows(table.tBodies[0], column, numbers, order === "ascending" ? 1 : -1);
    });
  });
}

function sortRows(body, column, numbers, sign) {
  const key = (row) => {
    const cell = row.cells[column];
    return numbers ? (cell.dataset.number === undefined ? NaN : Number(cell.dataset.number)) : cell.textContent;
  };
  const rows = [...body.rows].map((row, place) => ({ row, place, key: key(row) }));
  rows.sort((a, b) => {
    if (numbers && (Number.isNaN(a.key) || Number.isNaN(b.key))) {
      return Number.isNaN(a.key) - Number.isNaN(b.key) || a.place - b.place;
    }
    const order = numbers ? a.key - b.key : a.key.localeCompare(b.key);
    return sign * order || a.place - b.place;
  });
  body.append(...rows.map((one) => one.row));
}

const ratio = (part, whole) => (whole === 0 ? NaN : part / whole);

function scoresAt(model, threshold, prevalence) {
  let [tp, fp, tn, fn] = [0, 0, 0, 0];
  model.scores.forEach((score, index) => {
    const positive = model.labels[index] === 1;
    if (score >= threshold) positive ? tp++ : fp++;
    else positive ? fn++ : tn++;
  });
  const sensitivity = ratio(tp, tp + fn);
  const specificity = ratio(tn, tn + fp);
  const found = sensitivity * prevalence;
  const alarms = (1 - specificity) * (1 - prevalence);
  const cleared = specificity * (1 - prevalence);
  const missed = (1 - sensitivity) * prevalence;
  return {
    tp, fp, tn, fn, sensitivity, specificity,
    ppv: ratio(tp, tp + fp),
    npv: ratio(tn, tn + fn),
    f1: ratio(2 * tp, 2 * tp + fp + fn),
    accuracy: ratio(tp + tn, tp + fp + tn + fn),
    balanced_accuracy: (sensitivity + specificity) / 2,
    ppv_at_prevalence: ratio(found, found + alarms),
    npv_at_prevalence: ratio(cleared, cleared + missed),
  };
}

const written = (value) => {
  if (Number.isNaN(value)) return "undefined";
  return Number.isInteger(value) && value > 1 ? value.toLocaleString("en") : value.toFixed(3);
};

function explore(box, models) {
  const part = (id) => document.getElementById(id);
  const [choice, slider, exact, prevalence, told] =
    ["model", "threshold", "exact", "prevalence", "told"].map(part);
  const ruler = box.querySelector(".ruler");
  const marks = box.querySelector(".marks");
  const counts = ["tp", "fp", "tn", "fn"];
  let later = 0;

  models.forEach((model, index) => choice.append(new Option(model.name, index)));
  const chosen = () => models[choice.value];

  function show(threshold) {
    const share = Math.min(Math.max(Number(prevalence.value) / 100, 0), 1);
    const scores = scoresAt(chosen(), threshold, share);
    box.querySelectorAll("[data-value]").forEach((cell) => {
      const name = cell.dataset.value;
      cell.textContent = counts.includes(name) ? scores[name].toLocaleString("en") : written(scores[name]);
    });
    marks.querySelectorAll("button").forEach((button) => {
      button.setAttribute("aria-pressed", Number(button.value) === threshold);
    });
    slider.setAttribute("aria-valuetext", threshold.toPrecision(4));
    document.querySelectorAll("svg line.cut[data-cut]").forEach((line) => move(line, threshold));
    clearTimeout(later);
    // A screen reader is told once the slider rests, not at each step.
    later = setTimeout(() => {
      told.textContent =
        `At ${threshold.toPrecision(4)}: sensitivity ${written(scores.sensitivity)}, specificity ` +
        `${written(scores.specificity)}, PPV ${written(scores.ppv)}, NPV ${written(scores.npv)}; ` +
        `${scores.fn} missed, ${scores.fp} false alarms.`;
    }, 150);
  }

  function move(line, threshold) {
    const [left, right] = line.dataset.cut.split(" ").map(Number);
    line.setAttribute("x1", left + threshold * (right - left));
    line.setAttribute("x2", left + threshold * (right - left));
  }

  function set(threshold) {
    slider.value = threshold;
    exact.value = threshold;
    show(threshold);
  }

  function take() {
    marks.replaceChildren();
    ruler.replaceChildren();
    chosen().marks.forEach((mark) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = mark.threshold;
      button.textContent = `${mark.rule}: ${Number(mark.threshold.toPrecision(4))}`;
      button.addEventListener("click", () => set(mark.threshold));
      const item = document.createElement("li");
      item.append(button);
      marks.append(item);
      const tick = document.createElement("i");
      tick.style.left = `${100 * Math.min(mark.threshold, 1)}%`;
      ruler.append(tick);
    });
    set(chosen().marks[0].threshold);
  }

  choice.addEventListener("change", take);
  slider.addEventListener("input", () => {
    exact.value = slider.value;
    show(Number(slider.value));
  });
  exact.addEventListener("input", () => {
    if (exact.value === "" || !exact.validity.valid) return;
    slider.value = exact.value;
    show(Number(exact.value));
  });
  prevalence.addEventListener("input", () => show(Number(exact.value)));
  box.hidden = false;
  take();
}

document.querySelectorAll("table[data-sortable]").forEach(sortable);
document.querySelectorAll("[data-explorer]").forEach((box) => {
  const models = JSON.parse(document.getElementById("models").textContent);
  if (models.length) explore(box, models);
});
