// Asks, and shows what was answered.

const POLL_MILLISECONDS = 3000;   // pause between two questions
const ANSWER_MILLISECONDS = 4000; // an answer may take this long
const OLD_SECONDS = 30;           // a look older than this is said to be old

const LEVELS = { healthy: "good", refusing: "warn", catching_up: "warn", stalled: "bad", halted: "bad",
                 kafka_away: "bad", database_away: "bad" };
let live = null;    // what /live.json has said last
let dayLook = 0;    // which look /day.json was about
let dayShown = null; // of what the chart and the sums were shown last

function showStatus(status) {
  document.body.dataset.level = LEVELS[status.verdict] ?? "bad";
  say("verdict", words(status.verdict));
  // Only a trouble's reason is news: that of a healthy pipeline counts records at every look.
  if (status.verdict === "healthy") say("reason", word.all_well); else say("reason", status.reason, "en");
  fill(byId("remarks"), status.remarks.map((text) => make("li", text)));
  const inService = status.partitions.filter((row) => row.state !== "retired");
  const known = inService.filter((row) => row.lag_seconds !== null);
  const hasLag = inService.length > 0 && inService.every((row) => row.lag_records !== null);
  say("lag-records", hasLag ? whole(sum(inService, (row) => row.lag_records)) : "?");
  say("lag-seconds", known.length ? span(Math.max(...known.map((row) => row.lag_seconds))) : "?");
  const marks = inService.map((row) => row.watermark);
  say("watermark", marks.length && marks.every(Boolean) ? clock(marks.toSorted()[0]) : "–");
  say("complete", status.topics.map((topic) => minute(topic.complete_through)).join(", ") || "–");
  say("late", whole(sum(status.partitions, (row) => row.late)));
  say("dead", whole(sum(status.partitions, (row) => row.dead)));
  showPartitions(status.partitions);
}

function showPartitions(partitions) {
  const table = byId("partitions");
  const heads = ["partition", "state", "lag", "waits", "watermark", "on_time", "late", "dead"];
  fill(table.tHead, [make("tr", heads.map((name) => make("th", word[name], { scope: "col" })))]);
  fill(table.tBodies[0], partitions.map((row) => make("tr", [
    make("th", `${row.topic} ${row.partition}`, { scope: "row" }),
    make("td", words(row.state)), make("td", row.lag_records === null ? "?" : whole(row.lag_records)),
    make("td", span(row.lag_seconds)), make("td", clock(row.watermark)),
    ...["on_time", "late", "dead"].map((name) => make("td", row[name] === null ? "?" : whole(row[name]))),
  ])));
}

function showRates(rates) {
  say("arriving", rates ? fine(rates.arriving_per_second) : "–");
  say("stored", rates ? fine(rates.stored_per_second) : "–");
  say("rate-span", rates ? `(${span(rates.over_seconds)})` : "");
}

// Names by their events, the most first. While one of them has the focus they stay where they are.
let heatOrder = { region: [], event_type: [] };
function orderOf(cells, name) {
  const all = new Map();
  for (const cell of cells) all.set(cell[name], (all.get(cell[name]) ?? 0) + cell.events);
  const sorted = [...all].toSorted((a, b) => b[1] - a[1]).map(([key]) => key);
  if (byId("heat").contains(document.activeElement)) {
    const kept = heatOrder[name].filter((key) => all.has(key));
    heatOrder[name] = [...kept, ...sorted.filter((key) => !kept.includes(key))];
  } else {
    heatOrder[name] = sorted;
  }
  return heatOrder[name].map((key) => [key, all.get(key)]);
}

const pickButton = (text, name, value) => make("button", text,
  { type: "button", class: "pick", [`data-pick-${name}`]: value, "aria-pressed": picked[name] === value });

function showHeat() {
  const figures = live?.figures;
  if (!figures) return;
  const regions = orderOf(figures.cells, "region");
  const types = orderOf(figures.cells, "event_type");
  const events = new Map(figures.cells.map((cell) => [JSON.stringify([cell.region, cell.event_type]), cell.events]));
  // A column is compared with itself: calls say nothing of how many top-ups are many.
  const most = new Map(types.map(([type]) =>
    [type, Math.max(1, ...figures.cells.filter((cell) => cell.event_type === type).map((cell) => cell.events))]));
  const table = byId("heat");
  table.caption.textContent = figures.newest_window
    ? word.heat_range(figures.cell_minutes, minute(figures.newest_window)) : word.no_event;
  fill(table.tHead, [make("tr", [make("th", word.region, { scope: "col" }), make("th", word.all, { scope: "col" }),
    ...types.map(([type]) => make("th", [pickButton(words(type), "event_type", type)], { scope: "col" }))])]);
  fill(table.tBodies[0], regions.map(([region, total]) => make("tr", [
    make("th", [pickButton(region, "region", region)], { scope: "row" }), make("td", whole(total)),
    ...types.map(([type]) => {
      const count = events.get(JSON.stringify([region, type])) ?? 0;
      return make("td", whole(count), { class: "heat", "data-region": region, "data-type": type, "data-share": count / most.get(type) });
    }),
  ])));
  // Not an attribute: the page's policy allows no style in those.
  for (const cell of table.querySelectorAll("td.heat")) cell.style.setProperty("--share", cell.dataset.share);
}

// Of the day so far, what comes late is shown too; a place for each, until they are known.
const DAY_FIGURES = [...FIGURES, ["late_beside", (sums) => sums.late_events, 0]];
fill(byId("day-sums"), DAY_FIGURES.map(([figure]) =>
  make("div", [make("dt", word[figure], { "data-word": figure }), make("dd", "–", { id: `day-${figure}` })])));

function showDaySoFar(sums) {
  if (!sums) return;
  for (const [figure, of, digits] of DAY_FIGURES) say(`day-${figure}`, format(of(sums), digits));
  say("day-name", word.day_name(sums.date, sums.zone));
}

function showDetection(detection) {
  if (!detection) return say("detection", word.nobody_looks);
  const place = (row) => ({ where: row.region === "ALL" ? word.whole_country : row.region, type: words(row.event_type), unit: word.units[row.measure] });
  const moved = (row) => word.moved({ ...place(row), seen: whole(row.observed), expected: fine(row.expected) });
  fill(byId("anomalies"), detection.open.map((row) => make("li", word.anomaly({
    ...place(row), direction: word[row.direction], since: minute(row.since), seen: whole(row.worst_events), expected: fine(row.expected_events),
    moved: row.also_moved.map(moved).join("; "),
  }), { "data-region": row.region, "data-type": row.event_type, "data-direction": row.direction })));
  say("detection", word.judged({ none: detection.open.length === 0, through: minute(detection.judged_through),
    judged: detection.series_judged, small: detection.series_small, young: detection.series_warming_up }));
}

function showFraud(fraud) {
  byId("fraud").hidden = !fraud;
  if (!fraud) return;
  const measure = ([value, kind, bound]) => word[kind]?.(fine(value), fine(bound)) ?? `${value}`;
  fill(byId("cases"), (fraud.cases ?? []).map((row) => make("li", word.case_line({
    case: row.case, rule: row.rule, subscriber: row.subscriber, hits: whole(row.hits), since: minute(row.first_hit),
    measures: row.measures.map(measure).join(", "),
  }))));
  const rules = fraud.open_cases.map((row) => `${row.rule} ${whole(row.open)}`).join(", ");
  say("cases-by-rule", rules ? word.cases_by_rule(rules) : word.no_cases);
}

function showLinks(links) {
  const known = [["Grafana", links.grafana], ["Superset", links.superset]].filter(([, address]) => address);
  byId("links").hidden = known.length === 0;
  fill(byId("links"), [make("span", word.longer),
    ...known.map(([name, address]) => make("a", name, { href: address, rel: "noreferrer" }))]);
}

function show() {
  const { status, figures } = live;
  const isOld = live.looked_seconds_ago > OLD_SECONDS;
  document.body.dataset.state = status ? (isOld ? "old" : "live") : "starting";
  if (live.zone && live.zone !== zone) { zone = live.zone; redrawChart(); }
  say("looked-at", status ? clock(live.looked_at) : word.not_yet);
  showLinks(live.links);
  if (!status) { say("verdict", word.waiting); return say("trouble", ""); }
  showStatus(status);
  showRates(live.rates);
  showDetection(live.detection);
  showFraud(live.fraud);
  if (figures) { showHeat(); showDaySoFar(figures.day); }
  if (isOld) say("trouble", word.old_look(span(live.looked_seconds_ago)));
  else say("trouble", figures ? "" : `${word.no_tables} ${live.figures_missing_because}`);
  const dayNow = JSON.stringify([dayLook, live.day_missing_because, zone, language]);
  if (dayNow !== dayShown) showDay(live.day_missing_because);
  dayShown = dayNow;
  document.title = `${words(status.verdict)} · ${word.title}`;
}

async function question(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MILLISECONDS) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

let downSince = null;
async function ask() {
  try {
    live = await question("live.json");
    if (live.day_look !== dayLook) {
      day = await question("day.json");
      dayLook = live.day_look;
    }
    downSince = null;
  } catch {
    downSince ??= new Date();
    document.body.dataset.state = "down";
    document.title = `${word.no_answer} · ${word.title}`;
    say("trouble", word.down(clock(downSince.toISOString())));
    return;
  }
  show();
}

function speak(name) {
  language = name;
  word = WORDS[name];
  document.documentElement.lang = name;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word[element.dataset.word];
  byId("language").textContent = word.language;
  byId("language").lang = name === "en" ? "ru" : "en";
  redrawChart();
  if (live) show(); else { say("verdict", word.waiting); say("looked-at", word.not_yet); showDay(); }
}

let isPaused = false;
async function update() {
  if (!isPaused) await ask();
  setTimeout(update, POLL_MILLISECONDS);
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  if (!isPaused) ask();
});
byId("language").addEventListener("click", () => {
  const other = language === "en" ? "ru" : "en";
  try { localStorage.setItem("language", other); } catch { /* then it holds until the page is closed */ }
  speak(other);
});
byId("heat").addEventListener("click", ({ target }) => {
  const button = target.closest("button.pick");
  if (button) pick(button.dataset.pickRegion ?? null, button.dataset.pickEvent_type ?? null);
});
byId("clear").addEventListener("click", () => { pick(picked.region, picked.event_type); byId("chart").focus(); });
byId("chart").addEventListener("keydown", moveByKey);
byId("chart").addEventListener("blur", () => showTip(null));
new ResizeObserver(([{ contentRect }]) => chart?.setSize({ width: contentRect.width, height: contentRect.height })).observe(byId("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawChart);
speak(language);
update();
