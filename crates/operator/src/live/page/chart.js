// The last 24 hours: a chart beside the same hours a week before, and sums of what was picked.

let day = null;                                 // what /day.json has said last
let picked = { region: null, event_type: null }; // at most one of them
let chart = null;
let stepShown = null;                           // which step the tooltip is about; null: none

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const lineOf = (region, type) => day.lines.find((line) => line.region === region && line.event_type === type);
const stepTime = (index) => Date.parse(day.from) + index * day.step_seconds * 1000;
const pickedName = () => picked.region ?? (picked.event_type ? words(picked.event_type) : word.all_regions);

function pick(region, type) {
  const isSame = picked.region === region && picked.event_type === type;
  picked = isSame ? { region: null, event_type: null } : { region, event_type: type };
  showDay(live?.day_missing_because);
  showHeat(); // its buttons say what is picked
}

function showDay(failure = null) {
  say("h-day-chart", word.last_day(pickedName()));
  byId("clear").hidden = !picked.region && !picked.event_type;
  if (!day) return say("chart-text", failure ? `${word.day_failed} ${failure}` : word.no_day);
  const range = word.chart_range(minute(day.from), minute(day.to), day.step_seconds / 60);
  say("chart-text", failure ? `${word.day_failed} ${failure} ${range}` : range);
  drawChart();
  showSums();
  showRefused();
}

// ---- the chart

function chartOptions(width, height) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const hour = (seconds) => inZone(seconds * 1000, zone)[1].slice(0, 5);
  return {
    width, height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.08)] } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    axes: [
      { ...axis, values: (_, splits) => splits.map(hour), space: 60 },
      { ...axis, values: (_, splits) => splits.map((value) => new Intl.NumberFormat(language, { notation: "compact" }).format(value)), size: 52 },
    ],
    series: [
      {},
      { stroke: colour("--now"), width: 2, fill: `color-mix(in srgb, ${colour("--now")} 15%, transparent)`, points: { show: false } },
      { stroke: colour("--before"), width: 1.5, dash: [5, 4], points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => showTip(plot.cursor.idx ?? null)] },
  };
}

function chartData() {
  const line = lineOf(picked.region, picked.event_type);
  const zeros = () => Array(24 * 3600 / day.step_seconds).fill(0);
  const now = line?.now.steps ?? zeros();
  const before = day.has_before ? line?.before.steps ?? zeros() : now.map(() => null);
  return [now.map((_, index) => stepTime(index) / 1000), now, before];
}

function drawChart() {
  const box = byId("chart");
  if (!chart) {
    const tip = document.createElement("div");
    tip.className = "tip";
    box.replaceChildren(tip);
    chart = new uPlot(chartOptions(box.clientWidth, box.clientHeight), chartData(), box);
  } else {
    chart.setData(chartData());
  }
  byId("legend").lastElementChild.hidden = !day.has_before;
  box.setAttribute("aria-valuemax", chart.data[0].length - 1);
  tellStep(stepShown ?? chart.data[0].length - 1);
  if (stepShown !== null) showTip(stepShown);
}

// Another zone, language, or set of colours.
function redrawChart() {
  chart?.destroy();
  chart = null;
  if (day) drawChart();
}

function stepText(index) {
  const [, now, before] = chart.data;
  return word.chart_value({ at: clock(new Date(stepTime(index)).toISOString(), 2), now: whole(now[index]),
    before: before[index] === null ? null : whole(before[index]) });
}

// To whoever does not see the chart.
function tellStep(index) {
  const box = byId("chart");
  box.setAttribute("aria-valuenow", index);
  box.setAttribute("aria-valuetext", stepText(index).replaceAll("\n", ", "));
}

function showTip(index) {
  const tip = byId("chart").querySelector(".tip");
  stepShown = index;
  if (!tip || !chart) return;
  tip.textContent = index === null ? "" : stepText(index);
  if (index === null) return;
  tellStep(index);
  const at = chart.valToPos(chart.data[0][index], "x") + chart.over.offsetLeft;
  const width = byId("chart").clientWidth;
  tip.style.left = `${Math.max(0, Math.min(at + 10, width - tip.offsetWidth))}px`;
  // Not over what it is about.
  if (at + 10 + tip.offsetWidth > width) tip.style.left = `${Math.max(0, at - 10 - tip.offsetWidth)}px`;
}

// Arrows go a step, Page Up and Page Down an hour, as on any slider.
const STEPS_OF_KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -12, PageUp: 12, Home: -1e9, End: 1e9 };
function moveByKey(event) {
  if (!chart || !(event.key in STEPS_OF_KEYS)) return;
  event.preventDefault();
  const last = chart.data[0].length - 1;
  const next = Math.min(last, Math.max(0, (stepShown ?? last + 1) + STEPS_OF_KEYS[event.key]));
  chart.setCursor({ left: chart.valToPos(chart.data[0][next], "x"), top: 0 });
  showTip(next);
}

// ---- the sums

// How much more or less it is than a week before; nothing where there is nothing to compare with.
function change(now, before) {
  if (!day.has_before) return "";
  if (before === 0) return now === 0 ? "" : word.fresh;
  const percent = 100 * (now - before) / before;
  return `${percent > 0 ? "+" : ""}${fine(percent)} %`.replace("-", "−");
}

function sumsRow(name, line, scope) {
  const cells = FIGURES.map(([figure, of, digits]) => {
    const [now, before] = [of(line.now), of(line.before)];
    return make("td", [make("span", format(now, digits)), make("small", change(now, before))], { "data-figure": figure });
  });
  return make("tr", [make("th", name, { scope: "row" }), ...cells], { "data-line": scope });
}

function showSums() {
  const { region, event_type: type } = picked;
  const parts = day.lines.filter((line) => type
    ? line.event_type === type && line.region !== null
    : line.region === region && line.event_type !== null);
  parts.sort((a, b) => b.now.events - a.now.events);
  const all = lineOf(region, type);
  const rows = parts.map((line) => sumsRow(type ? line.region : words(line.event_type), line, type ? line.region : line.event_type));
  if (all) rows.unshift(sumsRow(word.all, all, "all"));
  const table = byId("sums");
  table.caption.textContent = word.sums_note(day.has_before) + (day.has_more_regions && type ? word.more_regions : "");
  fill(table.tHead, [make("tr", [make("th", type ? word.region : word.type, { scope: "col" }),
    ...FIGURES.map(([figure]) => make("th", word[figure], { scope: "col" }))])]);
  fill(table.tBodies[0], rows);
}

// ---- what was refused

// Beyond these shares they stand out: of late events, and of dead letters.
const LATE_SHARES = [0.01, 0.05];
const DEAD_SHARES = [0.001, 0.01];
const FEW = 10; // so many may be anybody's slip

function showRefused() {
  const events = lineOf(null, null)?.now.events ?? 0;
  const isCut = day.dead_letters >= day.dead_letters_max;
  showShare("late-day", day.late_events, events, LATE_SHARES, "");
  showShare("dead-day", day.dead_letters, events, DEAD_SHARES, isCut ? "≥ " : "");
}

function showShare(id, count, events, [much, veryMuch], prefix) {
  const share = count > FEW ? count / (count + events) : 0;
  const percent = fine(100 * share);
  const verdict = share >= veryMuch ? word.very_much(percent) : share >= much ? word.much(percent) : "";
  byId(`${id}-box`).className = share >= veryMuch ? "very-much" : share >= much ? "much" : "";
  say(id, `${prefix}${whole(count)}${verdict && ` · ${verdict}`}`);
}
