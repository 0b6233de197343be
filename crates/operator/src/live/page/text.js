// Words, numbers and times as text, and the few things that are done to the document.

const byId = (id) => document.getElementById(id);

// What the address asks for, else what was chosen here, else what the browser speaks.
function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  let kept = null;
  try { kept = localStorage.getItem("language"); } catch { /* a browser may forbid it */ }
  return [asked, kept, ...navigator.languages.map((name) => name.slice(0, 2))].find((name) => name in WORDS) ?? "en";
}
let language = firstLanguage();
let word = WORDS[language];
let zone = "UTC"; // the business time zone, as soon as it is known

const words = (code) => word.codes[code] ?? code.replaceAll("_", " ");
const format = (number, digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(number);
const whole = (number) => format(number, 0);
const fine = (number) => format(number, 1);
const sum = (rows, pick) => rows.reduce((total, row) => total + (pick(row) ?? 0), 0);

function span(seconds) {
  if (seconds === null || seconds === undefined) return "?";
  if (seconds < 60) return `${whole(seconds)} ${word.seconds}`;
  if (seconds < 3600) return `${whole(Math.floor(seconds / 60))} ${word.min}`;
  return `${fine(seconds / 3600)} ${word.hours}`;
}

const zoneName = () => zone.split("/").at(-1).replaceAll("_", " ");
// Date and time of an instant in a zone, as [YYYY-MM-DD, HH:MM:SS]; sv-SE writes them so.
const inZone = (time, name) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone: name, dateStyle: "short", timeStyle: "medium" }).format(new Date(time)).split(" ");

// The time of day where the business is, and in UTC.
function clock(time, parts = 3) {
  if (!time) return "–";
  const [, utc] = inZone(time, "UTC");
  const short = (text) => text.split(":").slice(0, parts).join(":");
  if (zone === "UTC") return `${short(utc)} UTC`;
  return `${short(inZone(time, zone)[1])} ${zoneName()} (${short(utc)} UTC)`;
}
// The same with its date, to the minute; the date of UTC is named where it is another one.
function minute(time) {
  if (!time) return "–";
  const [utcDate, utc] = inZone(time, "UTC");
  if (zone === "UTC") return `${utcDate} ${utc.slice(0, 5)} UTC`;
  const [date, local] = inZone(time, zone);
  return `${date} ${local.slice(0, 5)} ${zoneName()} (${date === utcDate ? "" : `${utcDate} `}${utc.slice(0, 5)} UTC)`;
}

// Says something only when it is new, so that a screen reader does not repeat it.
function say(id, text, spoken = language) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
  if (element.lang !== spoken) element.lang = spoken;
}

// What an element is to be: its tag, its text or children, its attributes.
const make = (tag, content, attributes = {}) => ({ tag, content, attributes });

// Makes the children of an element these, and touches nothing that is so already: whatever has the focus keeps it.
function fill(parent, wanted) {
  wanted.forEach((want, index) => {
    let element = parent.children[index];
    if (element?.tagName !== want.tag.toUpperCase()) {
      const fresh = document.createElement(want.tag);
      if (element) element.replaceWith(fresh); else parent.append(fresh);
      element = fresh;
    }
    for (const { name } of [...element.attributes]) if (!(name in want.attributes)) element.removeAttribute(name);
    for (const [name, value] of Object.entries(want.attributes))
      if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
    if (Array.isArray(want.content)) {
      if (element.firstChild?.nodeType === Node.TEXT_NODE) element.firstChild.remove();
      fill(element, want.content);
    } else if (element.textContent !== want.content || element.children.length) {
      element.textContent = want.content;
    }
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}
