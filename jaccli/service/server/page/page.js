// The page: what is written becomes a spec in YAML, the service computes it, and its answer is drawn.
//
//   fields → state → spec → answer → tables and heat maps
//
// The state is also what the address holds after its #, so that a link shares it.  Numbers come as
// texts, and are never computed with here.

const NAME = /[\p{L}_][\p{L}\p{N}_]*/u;
const DEFINITION = /^\s*([\p{L}_][\p{L}\p{N}_]*)\s*=(?!=)\s*(.*)$/su;
const PAGE = "application/vnd.jaccli.page+json";
const PAUSE = 450;            // milliseconds without a key before it computes
const SLOW = 2500;            // an answer that took longer is not asked for while typing
const LARGE = 100_000;        // characters from which on nothing is done while typing
const LONGEST_LINK = 8_000;
const LONGEST_NAME = 4_000;
const MOST_SAID = 4_000;      // characters of a message that are shown
const FEWEST = 8;             // entries up to which a matrix needs no heat map

const $ = (id) => document.getElementById(id);
const root = document.documentElement.dataset;
const words = (text) => new Set(text.split(" "));
const CONSTANTS = words(root.constants);
const FILE = new RegExp(`^@(.*?(?:${$("files").accept.replaceAll(".", "\\.").replaceAll(",", "|")}))(?::(.*))?$`, "s");
const REPORTS = [...$("derivative").options].filter((option) => "report" in option.dataset).map((option) => option.value);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// ---- the fields, and the state that they hold

const files = new Map();      // by name: File
const kind = () => document.querySelector("[name=kind]:checked").value;
const values = new Map();     // of inputs by name, kept while their names are not in the formulas
const excluded = new Set();   // inputs that are not differentiated

/** Return the formulas as [name, expression]; a single one may go without a name. */
function definitions(text) {
  const found = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (!line.trim() || line.trimStart().startsWith("#")) continue;
    const named = DEFINITION.exec(line);
    if (!named && found.length) throw new Error(`Formulas, line ${at + 1}: give it a name, as in g = ${line.trim()}`);
    found.push(named ? [named[1], named[2].trim()] : ["f", line.trim()]);
  }
  return found;
}

/** Return the names in the formulas that nothing defines: the inputs, in their order. */
function inputNames(text) {
  const found = new Set();
  if (text.length > LARGE) return [];
  const defined = new Set();
  const isInput = /^[A-Za-z_]\w*$/;  // of others, the service says what to write instead
  let parts = [];
  try { parts = definitions(text); } catch { return [...values.keys()]; }
  for (const [name, expression] of parts) {
    const tokens = /(?<![\p{L}\p{N}_.])([\p{L}_][\p{L}\p{N}_]*)(\s*\(|\s*=(?!=))?/gu;
    const bare = expression.replace(/"[^"]*"|'[^']*'/g, " ").replace(/#.*$/, "");
    for (const [, word, after = ""] of bare.matchAll(tokens)) {
      const isWord = CONSTANTS.has(word) || ["and", "or", "not", "if", "else", "in", "True", "False", "None"].includes(word);
      if (!after && !isWord && isInput.test(word) && !defined.has(word)) found.add(word);
    }
    defined.add(name);
  }
  return [...found];
}

function showInputs() {
  const names = inputNames($("formulas").value);
  const rows = $("inputs").tBodies[0];
  if ([...rows.rows].map((row) => row.dataset.name).join(" ") === names.join(" ")) return;
  const focused = document.activeElement?.id;
  rows.replaceChildren(...names.map((name) => {
    const value = element("input", { id: `at-${name}`, value: values.get(name) ?? "1", spellcheck: false, autocapitalize: "off",
      "aria-label": `value of ${name}`, oninput: (event) => { values.set(name, event.target.value); changed(); } });
    const wanted = element("input", { type: "checkbox", id: `wrt-${name}`, checked: !excluded.has(name),
      "aria-label": `differentiate with respect to ${name}`,
      onchange: (event) => { excluded[event.target.checked ? "delete" : "add"](name); changed(); } });
    if (!values.has(name)) values.set(name, "1");
    const row = element("tr", {}, element("td", {}, name), element("td", {}, value), element("td", {}, wanted));
    row.dataset.name = name;
    return row;
  }));
  $("inputs").hidden = !names.length;
  if (focused) $(focused)?.focus();
}

/** Return what a derivative's vector is called; nothing of those that have none. */
const vectorOf = (derivative) => [...$("derivative").options].find((option) => option.value === derivative)?.dataset.vector;

function showChoices() {
  const ofSpecs = kind() === "yaml";
  for (const option of $("derivative").options) {
    if ("specs" in option.dataset) option.hidden = option.disabled = !ofSpecs;
  }
  if ($("derivative").selectedOptions[0]?.disabled) $("derivative").value = "jacobian";
  $("formulas-panel").hidden = ofSpecs;
  $("yaml-panel").hidden = !ofSpecs;
  const modes = $("derivative").selectedOptions[0].dataset.modes.split(" ");
  const before = $("mode").value;
  const all = ofSpecs ? ["", ...modes] : modes;
  $("mode").replaceChildren(...all.map((mode) => element("option", { value: mode }, mode || "default")));
  $("mode").value = all.includes(before) ? before : all[0];
  const vector = vectorOf($("derivative").value);
  $("vectors").hidden = !vector || ofSpecs;
  if (vector) $("vector-hint").textContent = `${vector}: x: 1, y: [0, 2]; or a value for the only one.`;
}

function state() {
  const found = { kind: kind(), derivative: $("derivative").value, mode: $("mode").value, dtype: $("dtype").value, layout: $("layout").value, files: new Map(files) };
  return found.kind === "yaml" ? { ...found, yaml: $("yaml").value } : { ...found, ...model(found.derivative) };
}

/** Return the formulas with their inputs. */
function model(derivative) {
  const formulas = $("formulas").value;
  const names = inputNames(formulas);
  const wrt = names.filter((name) => !excluded.has(name));
  return { formulas, at: names.map((name) => [name, values.get(name) ?? "1"]), wrt: wrt.length < names.length ? wrt : null,
    vector: vectorOf(derivative) ? $("vector").value.trim() : "" };
}

// ---- the state as a link, a spec, a command line, and Python

function asFragment(now) {
  const made = new URLSearchParams();
  for (const name of ["yaml", "formulas", "vector", "derivative", "dtype", "layout"]) if (now[name]) made.set(name, now[name]);
  if (now.mode && now.mode !== "auto") made.set("mode", now.mode);
  for (const [name, value] of now.at ?? []) made.append("at", `${name}=${value}`);
  for (const name of now.wrt && !now.wrt.length ? [""] : now.wrt ?? []) made.append("wrt", name);
  return made.toString();
}

/** Fill the fields from the address; return whether it holds a model. */
function fromFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("yaml") && !given.has("formulas")) return false;
  document.querySelector(`[name=kind][value=${given.has("yaml") ? "yaml" : "formulas"}]`).checked = true;
  if (given.has("yaml")) $("yaml").value = given.get("yaml");
  else $("formulas").value = given.get("formulas");
  values.clear();
  for (const entry of given.getAll("at")) {
    const [name, value] = split(entry, "=");
    values.set(name, value);
  }
  excluded.clear();
  $("inputs").tBodies[0].replaceChildren();
  const wrt = given.getAll("wrt");
  if (given.has("wrt")) inputNames($("formulas").value).filter((name) => !wrt.includes(name)).forEach((name) => excluded.add(name));
  $("vector").value = given.get("vector") ?? "";
  choose("derivative", given.get("derivative") ?? (given.has("yaml") ? "" : "jacobian"));
  showChoices();
  for (const name of ["mode", "dtype", "layout"]) choose(name, given.get(name) ?? (name === "mode" && !given.has("yaml") ? "auto" : ""));
  showInputs();
  return true;
}

function choose(id, value) {
  if ([...$(id).options].some((option) => option.value === value)) $(id).value = value;
}

function split(text, by) {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + by.length)];
}

/** Return a value as YAML on one line: files by what a spec calls them. */
function asSource(text) {
  const file = text.length > LONGEST_NAME ? null : FILE.exec(text.trim());
  if (!file) return text.trim().replace(/\s+/g, " ") || '""';
  const [, name, part] = file;
  const key = /\.np[yz]$/.test(name) ? "key" : "column";
  return `{file: ${JSON.stringify(name)}${part ? `, ${key}: ${JSON.stringify(part)}` : ""}}`;
}

function asSpec(now) {
  if (now.kind === "yaml") return now.yaml;
  const parts = definitions(now.formulas);
  if (!parts.length) throw new Error("Formulas: write one, as in r = sqrt(x**2 + y**2)");
  const lines = ["model:", "  expressions:", ...parts.map(([name, text]) => `    ${name}: ${JSON.stringify(text)}`)];
  if (now.at.length) lines.push("inputs:", ...now.at.map(([name, value]) => `  ${name}: ${asSource(value)}`));
  const wrt = wanted(now);
  if (wrt.length) lines.push(`wrt: [${wrt.join(", ")}]`);
  lines.push(`derivative: ${now.derivative}`);
  for (const name of ["mode", "dtype", "layout"]) if (now[name] && now[name] !== "auto") lines.push(`${name}: ${now[name]}`);
  if (now.vector) lines.push(`vector: ${isMapping(now.vector) ? `{${now.vector}}` : now.vector}`);
  return `${lines.join("\n")}\n`;
}

/** Return the inputs to differentiate with respect to, if they are not all. */
function wanted(now) {
  if (now.derivative === "evaluate" || !now.wrt) return [];
  if (!now.wrt.length) throw new Error("Choose at least one input to differentiate with respect to.");
  return now.wrt;
}

const isMapping = (text) => new RegExp(`^${NAME.source}\\s*:`, "u").test(text);
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Return the parts of a flow mapping without its braces: `x: 1, y: [0, 2]`. */
function entries(text) {
  const found = [""];
  let depth = 0;
  for (const letter of text) {
    depth += "[{".includes(letter) - "]}".includes(letter);
    if (letter === "," && !depth) found.push(""); else found[found.length - 1] += letter;
  }
  return found.filter((part) => part.trim()).map((part) => split(part, ":").map((side) => side.trim()));
}

function options(now) {
  const named = now.kind === "yaml" ? ["mode", "dtype"] : ["dtype"];
  if (!isReport(now)) named.push("layout");
  const made = named.filter((name) => now[name]).map((name) => `--${name} ${now[name]}`);
  if (now.kind !== "yaml" && now.mode !== "auto") made.unshift(`--mode ${now.mode}`);
  return made;
}

/** Whether a spec asks for a report, which has no layout. */
function isReport(now) {
  return REPORTS.includes(now.derivative)
    || (now.kind === "yaml" && !now.derivative && now.yaml.length < LARGE && new RegExp(`^derivative:\\s*["']?(${REPORTS.join("|")})\\b`, "m").test(now.yaml));
}

/** Return the command line; a spec goes along, up to a line that it does not have itself. */
function asCommand(now) {
  const command = now.derivative || "run";
  if (now.kind === "yaml") {
    const lines = new Set(now.yaml.split(/\r\n|\r|\n/));
    let end = "END";
    while (lines.has(end)) end += "_";
    return [`jaccli ${command} -`, ...options(now)].join(" ") + ` <<'${end}'\n${now.yaml.replace(/\n*$/, "\n")}${end}\n`;
  }
  const parts = definitions(now.formulas).map(([name, text]) => `-e ${quoted(`${name} = ${text}`)}`);
  const at = now.at.map(([name, value]) => `--at ${quoted(`${name}=${value.trim()}`)}`);
  const wrt = wanted(now).map((name) => `--wrt ${name}`);
  const vector = !now.vector ? [] : isMapping(now.vector)
    ? entries(now.vector).map(([name, value]) => `--vector ${quoted(`${name}=${value}`)}`) : [`--vector ${quoted(now.vector)}`];
  return [`jaccli ${command}`, ...parts, ...at, ...wrt, ...vector, ...options(now)].join(" ") + "\n";
}

/** Return a value of YAML as Python: numbers, plain words, lists and mappings of them; null of others. */
function asPython(source) {
  const tokens = source.match(/[[\]{},]|:(?=\s|$)|[^\s,[\]{}:]+|\s+|:/g)?.filter((token) => token.trim()) ?? [];
  const several = (close, one) => {
    const parts = [];
    while (tokens.length && tokens[0] !== close) {
      const part = one();
      if (part === null) return null;
      parts.push(part);
      if (tokens[0] === ",") tokens.shift(); else if (tokens[0] !== close) return null;
    }
    return tokens.shift() === close ? parts : null;
  };
  const word = (token) => (/^[A-Za-z_][\w-]*$/.test(token ?? "") ? JSON.stringify(token) : null);
  const value = () => {
    const token = tokens.shift();
    if (token === "[") { const parts = several("]", value); return parts && `[${parts.join(", ")}]`; }
    if (token === "{") { const parts = several("}", entry); return parts && `{${parts.join(", ")}}`; }
    return /^-?(0|[1-9]\d*)(\.\d+)?(e[-+]?\d+)?$/i.test(token ?? "") ? token : word(token);
  };
  const entry = () => {
    const key = word(tokens.shift());
    if (key === null || tokens.shift() !== ":") return null;
    const found = value();
    return found === null ? null : `${key}: ${found}`;
  };
  const made = value();
  return tokens.length ? null : made;
}

/** Return a file's source, or a value, as Python; null where it has no simple form there. */
function pythonOf(text) {
  const source = asSource(text);
  if (!source.startsWith("{file: ")) return asPython(source);
  return source.replace("{file: ", '{"file": ').replace(/, (key|column): (?="(?:[^"\\]|\\.)*"\}$)/, ', "$1": ');
}

/** Return the Python program: of values that have no simple form there, and of specs, by way of a file. */
function asProgram(now) {
  const keywords = ["mode", "dtype", "layout"].filter((name) => now[name] && now[name] !== "auto" && !(name === "layout" && isReport(now)))
    .map((name) => `${name}="${now[name]}"`);
  const spec = asSpec(now);
  const several = /^derivative:\s*\[([\w\s,-]*)\]/m.exec(spec.slice(0, LARGE))?.[1].split(",").map((name) => name.trim());
  const derivatives = now.derivative ? [now.derivative] : several ?? [shown.derivative || "jacobian"];
  const at = (now.at ?? []).map(([name, value]) => [name, pythonOf(value)]);
  const vector = now.vector ? asPython(isMapping(now.vector) ? `{${now.vector.replace(/,\s*$/, "")}}` : now.vector) : "";
  const lines = ["import jaccli", ""];
  if (now.kind === "yaml" || vector === null || at.some(([, value]) => value === null)) {
    lines.splice(1, 0, "from pathlib import Path");
    lines.push(`Path("model.yaml").write_text(${JSON.stringify(spec)}, encoding="utf-8")`, 'model = jaccli.load("model.yaml")');
    if (now.kind !== "yaml") keywords.length = 0; // they are in the spec
  } else {
    const parts = definitions(now.formulas).map(([name, text]) => `    ${JSON.stringify(name)}: ${JSON.stringify(text)},`);
    lines.push("expressions = {", ...parts, "}", `model = jaccli.model(expressions, at={${at.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(", ")}})`);
    if (wanted(now).length) keywords.unshift(`wrt=${JSON.stringify(wanted(now))}`);
    if (vector) keywords.unshift(`vector=${vector}`);
  }
  return [...lines, ...derivatives.map((derivative) => `print(model.${derivative}(${keywords.join(", ")}))`), ""].join("\n");
}

// ---- asking the service

let asking = null;            // the AbortController of what is being computed
let again = null;             // what is to be asked next: the newest alone
let pause = 0;
let token = "";
let last = 0;                 // milliseconds that the last answer took
let shown = {};               // the answer on the page
const address = (path) => new URL(path, location.href.split("#")[0]);

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

/** Ask for an answer; throw what the service says where it gives none. */
async function ask(path, accept, body, signal) {
  let answer;
  const headers = { Accept: accept, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    answer = await fetch(address(path), { method: body ? "POST" : "GET", body, headers, signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, `The service at ${location.host} does not answer; it may have been stopped.\nWhat you wrote is still here: start it again (jaccli serve --port ${location.port || 80}), and press Compute.`);
  }
  if (answer.ok) return answer;
  let message = `The service answered ${answer.status} ${answer.statusText}.`;
  try { message = (await answer.json()).error.message; } catch { /* not ours: a proxy's */ }
  throw new Refused(answer.status, message);
}

/** Return the body of a request: the spec, with the files where there are some. */
function body(now) {
  const spec = asSpec(now);
  const files = now.files;
  let size = spec.length;
  files.forEach((file) => { size += file.size; });
  if (size > Number(root.largest)) throw new Error(`The model has ${size.toLocaleString("en")} bytes; this service takes ${Number(root.largest).toLocaleString("en")}.`);
  if (!files.size) return new Blob([spec], { type: "application/yaml" });
  const form = new FormData();
  form.append("spec", spec);
  files.forEach((file, name) => form.append("file", file, mentioned(spec, name)));
  return form;
}

/** Return a file's name as the spec has it: a browser does not know its folder. */
function mentioned(spec, name) {
  const before = " \t\r\n\"'{[,:", after = " \t\r\n\"'}],";
  const found = new Set();
  for (let at = spec.indexOf(name); at >= 0; at = spec.indexOf(name, at + 1)) {
    const next = spec[at + name.length];
    let start = at;
    if (start && spec[start - 1] === "/") while (start > 0 && at - start < LONGEST_NAME && !before.includes(spec[start - 1])) start -= 1;
    const isWhole = (!start || before.includes(spec[start - 1])) && (next === undefined || after.includes(next));
    const line = spec.slice(Math.max(spec.lastIndexOf("\n", at) + 1, at - LONGEST_NAME), at);
    if (isWhole && !/(^|\s)#/.test(line)) found.add(spec.slice(start, at + name.length));
  }
  if (found.has(name) || !found.size) return name;
  if (found.size > 1) throw new Error(`${name}: the spec names ${[...found].join(" and ")}. Rename one of them.`);
  return [...found][0];
}

/** Return the path of an operation with the choices that a spec in YAML is not asked to hold. */
function path(operation, now) {
  const query = new URLSearchParams();
  if (now.kind === "yaml") {
    for (const name of ["mode", "dtype"]) if (now[name]) query.set(name, now[name]);
    if (now.layout && !isReport(now) && operation !== "check") query.set("layout", now.layout);
    if (["plan", "check"].includes(operation) && now.derivative && !REPORTS.includes(now.derivative)) query.set("of", now.derivative);
  }
  return `v1/${operation}${query.size ? `?${query}` : ""}`;
}

async function compute(operation = "", byHand = true) {
  clearTimeout(pause);
  if (asking) {
    if (byHand || !again?.[1]) again = [operation, byHand]; // what a person asks for is not lost to typing
    return;
  }
  const now = state();
  const started = performance.now();
  asking = new AbortController();
  $("cancel").disabled = false;
  $("result").setAttribute("aria-busy", "true");
  $("status").textContent = "Computing …";
  const slowly = setInterval(() => { $("status").textContent = `Computing … ${Math.round((performance.now() - started) / 1000)} s`; }, 1000);
  try {
    const asked = operation || (now.kind === "yaml" && now.derivative) || "run";
    const answer = await (await ask(path(asked, now), PAGE, body(now), asking.signal)).json();
    last = performance.now() - started;
    shown = { now, derivative: answer.find((one) => one.derivative)?.derivative };
    draw(answer, now);
    $("locked").hidden = !token;
    if (isSame(state(), now)) $("result").classList.remove("stale");
    else stale();
  } catch (error) {
    refuse(error, byHand);
  } finally {
    clearInterval(slowly);
    asking = null;
    $("cancel").disabled = true;
    $("result").removeAttribute("aria-busy");
    if (again) { const next = again; again = null; compute(...next); }
  }
}

function isSame(one, other) {
  return asFragment(one) === asFragment(other) && one.files.size === other.files.size && [...one.files].every(([name, file]) => other.files.get(name) === file);
}

/** Say that what is shown is not of what is written. */
function stale() {
  $("result").classList.add("stale");
  if (!asking) $("status").textContent = "Changed: press Compute.";
}

function refuse(error, byHand) {
  $("result").classList.add("stale");
  if (error.name === "AbortError") { $("status").textContent = "Cancelled."; $("error").hidden = true; return; }
  if (error.status === 401) {
    $("locked").hidden = false;
    $("api").hidden = true; // a link carries no token
    if (byHand) $("token").focus();
  }
  $("status").textContent = "No result.";
  $("error").textContent = placed(error.message);
  $("error").hidden = false;
}

/** Return a message with places in the spec as it is written here; of formulas, nobody sees its lines. */
function placed(message) {
  const said = message.length > MOST_SAID ? `${message.slice(0, MOST_SAID)} …` : message;
  return said.replace(/^<stdin>:(\d+):(\d+): /gm, kind() === "yaml" ? "line $1, column $2: " : "").replace(/^<stdin>: /gm, "")
    .replace("Send it as a part of a multipart body.", "Add it under Files.");
}

/** Take note of a change: remember it in the address, and compute after a pause. */
function changed() {
  showChoices();
  stale();
  clearTimeout(pause);
  const size = kind() === "yaml" ? $("yaml").value.length : $("formulas").value.length;
  if (size > LARGE || !$("typing").checked || last > SLOW) return;
  if (!asking) $("status").textContent = "Changed …";
  pause = setTimeout(() => { remember(); compute("", false); }, PAUSE);
}

/** Put the model into the address, if it is short enough to be a link. */
function remember() {
  const fragment = asFragment(state());
  const fits = fragment.length <= LONGEST_LINK;
  history.replaceState(null, "", fits ? `#${fragment}` : location.pathname);
  return fits;
}

// ---- drawing an answer

function draw(answer, now) {
  $("error").hidden = true;
  maps.clear();
  $("outcomes").replaceChildren(...answer.map((outcome) => drawn(outcome, now)));
  const notes = answer.flatMap((one) => one.notes);
  const verdict = answer.map((one) => one.verdict).filter(Boolean).join(" ");
  const warned = answer.reduce((sum, one) => sum + one.warnings.length, 0);
  $("status").textContent = [notes.join("; ") || "Done.", verdict, warned ? `${warned} warning${warned > 1 ? "s" : ""}.` : ""].filter(Boolean).join(" ");
  fill();
}

function drawn(outcome, now) {
  const made = element("div", { className: "outcome" });
  made.append(...outcome.warnings.map((text) => element("pre", { className: "warning" }, placed(text))));
  if (outcome.text) made.append(element("pre", { className: outcome.passed ? "report" : "report failed", tabIndex: 0 }, outcome.text));
  const forms = outcome.tables ? ["json", "npy", "npz"] : ["json"];
  const saved = element("p", { className: "buttons" },
    element("button", { type: "button", onclick: () => copyNumbers(outcome.derivative, now) }, "Copy CSV"),
    ...forms.map((form) => element("button", { type: "button", onclick: () => download(outcome.derivative, now, form) }, `Download .${form}`)));
  if (!outcome.tables && outcome.derivative) made.append(saved);
  if (!outcome.tables) return made;
  const beside = element("div", { className: "beside" });
  if (outcome.values.length) beside.append(element("div", { className: "value" }, element("h3", {}, "Value"), ...outcome.values.map(table)));
  beside.append(...outcome.tables.filter(isDrawn).map(heatMap));
  beside.append(element("div", { className: "derivative" }, element("h3", {}, outcome.derivative), ...outcome.tables.map(table)));
  made.append(beside);
  made.append(saved);
  const facts = element("table", {}, element("tbody", {}, ...outcome.facts.map(([name, text]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, text)))));
  made.append(element("details", { className: "facts" }, element("summary", {}, "How it was computed"), facts));
  return made;
}

const isDrawn = ({ map }) => map !== null && map.rows.length * map.columns.length > FEWEST;

function table(data) {
  const made = element("table", {}, element("caption", {}, data.title));
  if (data.header.some(Boolean)) {
    made.append(element("thead", {}, element("tr", {}, ...data.header.map((name) => (name === "" ? element("td") : element("th", { scope: "col" }, name ?? "…"))))));
  }
  made.append(element("tbody", {}, ...data.rows.map((row) => element("tr", {}, ...row.map((text, at) => {
    if (at < data.named) return element("th", { scope: "row" }, text ?? "…");
    const cell = element("td");
    cell.dataset.number = text ?? "…";
    return cell;
  })))));
  return element("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": data.title }, made);
}

/** Write the numbers of all tables, in full or to six digits. */
function fill() {
  for (const cell of document.querySelectorAll("td[data-number]")) {
    const text = cell.dataset.number;
    const number = Number(text);
    const known = text !== "" && Number.isFinite(number);
    cell.textContent = known && !$("digits").checked ? shortened(text) : text;
    cell.className = !known ? (text === "…" || /^(True|False)$/.test(text) ? "" : "bad") : number < 0 ? "negative" : number === 0 ? "zero" : "";
  }
}

function shortened(text) {
  if (/^-?\d{1,15}$/.test(text)) return text;
  const number = Number(Number(text).toPrecision(6)) + 0;
  return number && Math.abs(number) < 1e-4 ? number.toExponential() : String(number);
}

const COLORS = {
  light: ["#1b4f93", "#4393c3", "#92c5de", "#d9eaf4", "#ffffff", "#fde3d3", "#f4a582", "#d6604d", "#a11022"],
  dark: ["#9ecbff", "#5a9fdc", "#2f6ca8", "#1d3c5c", "#15171b", "#5a2c22", "#a8472f", "#e27a5c", "#ffb59e"],
};
const NOT_FINITE = { nan: "#ffd400", inf: "#d400c8", "-inf": "#00a59b" };
const darkly = matchMedia("(prefers-color-scheme: dark)");
const maps = new Set();

function color(place) {
  const anchors = COLORS[darkly.matches ? "dark" : "light"];
  const at = ((place + 1000) / 2000) * (anchors.length - 1);
  const low = Math.min(Math.floor(at), anchors.length - 2);
  const channel = (hex, n) => parseInt(hex.slice(1 + 2 * n, 3 + 2 * n), 16);
  const mixed = [0, 1, 2].map((n) => Math.round(channel(anchors[low], n) * (low + 1 - at) + channel(anchors[low + 1], n) * (at - low)));
  return `rgb(${mixed.join(" ")})`;
}

/** Return the heat map of a table's matrix; its cells are read with the mouse or the arrow keys. */
function heatMap(data) {
  const { rows, columns, values: texts, places, scale, each } = data.map;
  const side = Math.max(4, Math.min(28, Math.floor(560 / Math.max(rows.length, columns.length))));
  const canvas = element("canvas", { width: columns.length * side, height: rows.length * side, tabIndex: 0, role: "application",
    "aria-label": `Heat map of ${data.title}. Arrow keys read its cells.` });
  const said = `Blue below 0, red above, ${scale.name}, up to ${scale.size} in absolute value.`
    + (each ? ` Each cell shows the entry of largest absolute value among ${each[0]} × ${each[1]}.` : "");
  const caption = element("figcaption", { ariaLive: "polite" }, said);
  const cell = [-1, -1];
  const paint = () => {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (const [i, row] of places.entries()) for (const [j, place] of row.entries()) {
      const text = texts[i][j];
      if (text === null) continue;
      pen.fillStyle = place === null ? NOT_FINITE[text.toLowerCase()] ?? NOT_FINITE.nan : color(place);
      pen.fillRect(j * side, i * side, side, side);
    }
    if (cell[0] < 0) return;
    pen.strokeStyle = darkly.matches ? "#fff" : "#000";
    pen.lineWidth = 2;
    pen.strokeRect(cell[1] * side + 1, cell[0] * side + 1, side - 2, side - 2);
  };
  const read = (i, j) => {
    if (i < 0 || j < 0 || i >= rows.length || j >= columns.length || (i === cell[0] && j === cell[1])) return;
    cell.splice(0, 2, i, j);
    caption.textContent = `${rows[i]}, ${columns[j]}: ${texts[i][j] ?? "not kept, 0"}`;
    paint();
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    read(Math.floor(((event.clientY - box.top) / box.height) * rows.length), Math.floor(((event.clientX - box.left) / box.width) * columns.length));
  });
  canvas.addEventListener("pointerleave", () => { cell.fill(-1); caption.textContent = said; paint(); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    read(Math.max(0, cell[0] + step[0]), Math.max(0, cell[1] + step[1]));
  });
  maps.add(paint);
  paint();
  return element("figure", {}, canvas, caption);
}

// ---- copying and saving

const MEDIA = { json: "application/json", npy: "application/x-npy", npz: "application/x-npz", csv: "text/csv" };

/** Return the answer of what is shown in another format. */
async function numbers(derivative, now, form) {
  const target = path(derivative, now);
  return ask(target, MEDIA[form], body(now));
}

async function copyNumbers(derivative, now) {
  try { await copy(await (await numbers(derivative, now, "csv")).text(), "CSV"); } catch (error) { refuse(error, true); }
}

async function download(derivative, now, form) {
  try {
    const link = element("a", { href: URL.createObjectURL(await (await numbers(derivative, now, form)).blob()), download: `${derivative}.${form}` });
    link.click();
    URL.revokeObjectURL(link.href);
    $("status").textContent = `Saved ${derivative}.${form}.`;
  } catch (error) { refuse(error, true); }
}

/** Copy a text, and show it: where the browser allows no copying, it can be marked by hand. */
async function copy(text, what) {
  $("copied").value = text;
  $("copied").hidden = false;
  try {
    await navigator.clipboard.writeText(text);
    $("status").textContent = `Copied: ${what}.`;
  } catch {
    $("copied").select();
    $("status").textContent = `${what}: marked below, to be copied.`;
  }
}

const COPIES = {
  link: [() => { if (!remember()) throw new Error("The model is too long for a link: copy the YAML."); return location.href; }, "the link"],
  cli: [() => asCommand(state()), "the command line"],
  yaml: [() => asSpec(state()), "the YAML"],
  python: [() => asProgram(state()), "the Python program"],
};

// ---- files

function keep(list) {
  for (const file of list) {
    files.set(file.name, file);
    const name = file.name.replace(/\.[^.]*$/, "").replace(/\W/g, "_");
    const isMeant = inputNames($("formulas").value).includes(name) && !values.get(name)?.startsWith("@");
    if (isMeant) { values.set(name, `@${file.name}`); $("inputs").tBodies[0].replaceChildren(); }
  }
  showFiles();
}

function showFiles() {
  $("kept").replaceChildren(...[...files].map(([name, file]) => element("li", {},
    `${name} (${file.size.toLocaleString("en")} bytes)`,
    element("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => { files.delete(name); showFiles(); } }, "×"))));
  showInputs();
  changed();
}

// ---- completion of YAML by the schema of a spec

let schema = null;
const SHOWN = 10;
const LINES = 400;            // lines above the caret that are looked at

async function fetchSchema() {
  if (schema) return;
  try { schema = await (await ask("schema.json", "*/*")).json(); } catch { /* without completion, then */ }
}

/** Return all that a schema may be: its references and alternatives, taken apart. */
function alternatives(one, found = []) {
  if (!one || found.includes(one)) return found;
  if (one.$ref) return alternatives(schema.$defs[one.$ref.split("/").pop()], found);
  found.push(one);
  for (const each of [...(one.anyOf ?? []), ...(one.oneOf ?? []), ...(one.allOf ?? [])]) alternatives(each, found);
  return found;
}

function inside(schemas, key) {
  const next = schemas.map((one) => (key === "-" ? one.items : one.properties?.[key] ?? (typeof one.additionalProperties === "object" ? one.additionalProperties : null)));
  return next.flatMap((one) => alternatives(one));
}

/** Return what may be written where the caret is: [text, description], and how much is there. */
function completions(text, caret) {
  const before = text.slice(Math.max(0, caret - 40 * LINES), caret).split("\n").slice(-LINES);
  const line = before.pop();
  const [, indent, dash, key, typed] = /^(\s*)(- )?(?:([\w.]+):\s+)?([\w.-]*)$/.exec(line) ?? [];
  if (indent === undefined) return { items: [], typed: "" };
  const keys = [];
  const siblings = new Set();
  let width = indent.length;
  for (const above of before.reverse()) {
    const [, space, word] = /^(\s*)(?:- )?([\w.]+):/.exec(above) ?? [];
    if (word === undefined) continue;
    if (space.length === width && !keys.length) siblings.add(word);
    if (space.length < width) { keys.unshift(word); width = space.length; }
  }
  let schemas = keys.reduce(inside, alternatives(schema));
  if (dash) schemas = inside(schemas, "-");
  const found = new Map();
  if (key) {
    for (const one of inside(schemas, key)) {
      for (const value of one.enum ?? []) found.set(String(value), one.description ?? "");
      if (one.type === "boolean") ["true", "false"].forEach((value) => found.set(value, ""));
      for (const value of alternatives(one.items).flatMap((item) => item.enum ?? [])) found.set(String(value), "");
    }
  } else {
    for (const one of schemas) {
      for (const value of one.enum ?? []) if (keys.length) found.set(String(value), one.description ?? "");
      for (const [name, about] of Object.entries(one.properties ?? {})) if (!siblings.has(name)) found.set(`${name}: `, about.description ?? "");
    }
  }
  const items = [...found].filter(([word]) => word.startsWith(typed) && word !== typed);
  return { items, typed };
}

const list = { items: [], typed: "", at: -1 };

function showCompletions(asked) {
  const field = $("yaml");
  const found = schema ? completions(field.value, field.selectionStart) : { items: [], typed: "" };
  Object.assign(list, found, { at: asked && found.items.length ? 0 : -1 });
  $("completions").hidden = !(asked || found.typed) || !found.items.length;
  mark();
}

/** Show the completions around the one that is chosen, so many that nothing has to scroll. */
function mark() {
  const first = Math.max(0, Math.floor(list.at / SHOWN) * SHOWN);
  $("completions").replaceChildren(...list.items.slice(first, first + SHOWN).map(([word, about], place) => {
    const at = first + place;
    return element("li", { id: `completion-${at}`, role: "option", "aria-selected": String(at === list.at), "aria-posinset": at + 1, "aria-setsize": list.items.length,
      onmousedown: (event) => { event.preventDefault(); list.at = at; take(); } }, element("b", {}, word.trim()), about);
  }));
  if (list.at >= 0 && !$("completions").hidden) $("yaml").setAttribute("aria-activedescendant", `completion-${list.at}`);
  else $("yaml").removeAttribute("aria-activedescendant");
}

function take() {
  const field = $("yaml");
  const caret = field.selectionStart;
  field.setRangeText(list.items[list.at][0], caret - list.typed.length, caret, "end");
  closeCompletions();
  changed();
}

function closeCompletions() {
  $("completions").hidden = true;
  list.at = -1;
  mark();
}

function completionKey(event) {
  if (event.key === " " && event.ctrlKey) { event.preventDefault(); fetchSchema().then(() => showCompletions(true)); return; }
  if ($("completions").hidden) return;
  const count = list.items.length;
  if (event.key === "ArrowDown") list.at = (list.at + 1) % count;
  else if (event.key === "ArrowUp") list.at = (list.at + count - (list.at < 0 ? 0 : 1)) % count;
  else if (event.key === "Enter" && list.at >= 0) take();
  else if (event.key === "Escape") closeCompletions();
  else return;
  event.preventDefault();
  mark();
}

// ---- events

function listen() {
  $("ask").addEventListener("submit", (event) => { event.preventDefault(); remember(); compute(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("compute").click(); });
  $("formulas").addEventListener("input", () => { showInputs(); changed(); });
  $("yaml").addEventListener("input", () => { showCompletions(false); changed(); });
  $("yaml").addEventListener("focus", fetchSchema);
  $("yaml").addEventListener("blur", closeCompletions);
  $("yaml").addEventListener("keydown", completionKey);
  $("vector").addEventListener("input", changed);
  for (const id of ["derivative", "mode", "dtype", "layout"]) $(id).addEventListener("change", changed);
  for (const one of document.querySelectorAll("[name=kind]")) one.addEventListener("change", turn);
  $("plan").addEventListener("click", () => compute("plan"));
  $("check").addEventListener("click", () => compute("check"));
  $("cancel").addEventListener("click", () => { again = null; asking?.abort(); });
  $("digits").addEventListener("change", fill);
  $("files").addEventListener("change", (event) => { keep(event.target.files); event.target.value = ""; });
  $("token").addEventListener("change", (event) => {
    token = event.target.value.trim();
    if (/[^\x21-\x7e]/.test(token)) refuse(new Error("A token has printable ASCII characters alone."), true); else compute();
  });
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("result").focus(); });
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => {
    const [make, what] = COPIES[button.dataset.copy];
    try { copy(make(), what); } catch (error) { refuse(error, true); }
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => { event.preventDefault(); keep(event.dataTransfer.files); });
  addEventListener("hashchange", () => { if (fromFragment()) compute(); });
  darkly.addEventListener("change", () => maps.forEach((paint) => paint()));
}

/** Turn to the other way of writing; the first time, formulas go on as a spec. */
function turn() {
  if (kind() === "yaml" && !$("yaml").value) {
    const now = { ...state(), kind: "formulas", ...model($("derivative").value) };
    try { $("yaml").value = asSpec(now); } catch { /* no formula is there to go on with */ }
    for (const id of ["mode", "derivative", "dtype", "layout"]) $(id).value = "";
  }
  showChoices();
  changed();
}

listen();
if (fromFragment()) {
  if (root.trusted === "yes") compute("", false);
  else { $("status").textContent = "A link has brought this model. Compute it with the button, if you trust it."; }
} else {
  $("formulas").value = "r = sqrt(x**2 + y**2)\ntheta = arctan2(y, x)";
  values.set("x", "3").set("y", "4");
  $("derivative").value = "jacobian";
  showChoices();
  showInputs();
  compute("", false);
}
