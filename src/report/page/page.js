'use strict';
(async () => {
const OUTCOMES = ['done', 'already right', 'skipped', 'failed', 'not started'];
const FAILED = 3, NOT_STARTED = 4;
// Colours of the phases in order; neighbours are distinguishable in light and in dark mode.
const COLOURS = {
  'kernel-arguments': '#8c6d31', 'partitions': '#c2410c', 'raid': '#b45309', 'luks': '#9333ea', 'filesystems': '#d97706',
  'mount': '#64748b', 'accounts': '#0891b2', 'files': '#2563eb', 'units': '#16a34a', 'arrays': '#a16207', 'keys': '#7c3aed',
  'records': '#0d9488', 'labels': '#db2777', 'finish': '#475569'};
const NAMES = {'kernel-arguments': 'kernel arguments', 'filesystems': 'file systems', 'mount': 'mounts',
  'finish': 'sync and unmount'};
const ROW = 22, AXIS = 24, STAGE = 18, PAGE = 100, MIN_WINDOW_US = 20;

// ---- data

const byId = id => document.getElementById(id);

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

function texts(column) {
  let last = [];
  return column.shared.map((shared, i) => {
    last = last.slice(0, shared).concat(Array.from(column.rest[i]));
    return last.join('');
  });
}

function numbers(differences) {
  let last = 0;
  return differences.map(difference => (last += difference));
}

/** Operations as objects; times are from the start of the first stage, as if each began when the one before it ended. */
function operations(data) {
  const c = data.operations;
  const act = texts(c.act), source = texts(c.source), path = texts(c.path);
  const start = numbers(c.start), line = numbers(c.line), column = numbers(c.column);
  const all = [];
  let offset = 0;
  data.stages.forEach((stage, s) => {
    stage.first = all.length;
    stage.offset = offset;
    for (let n = 0; n < stage.count; n++) {
      const i = all.length;
      all.push({
        i, stage: s, phase: c.phase[i], act: act[i], start: offset + start[i], duration: c.duration[i],
        end: offset + start[i] + c.duration[i], worker: c.worker[i], outcome: c.outcome[i], bytes: c.bytes[i],
        after: c.after[i].map(back => i - back),
        origin: line[i] ? `${source[i]}:${line[i]}:${column[i]}` : '', path: path[i]});
    }
    offset += stage.durationUs;
  });
  c.failures.forEach(failure => Object.assign(all[failure.index], {error: failure.error, remedy: failure.remedy}));
  for (const o of all) {
    const ran = o.after.map(i => all[i]).filter(b => b && b.outcome !== NOT_STARTED);
    o.last = ran.reduce((last, b) => (!last || b.end > last.end ? b : last), null);
    o.ready = o.last ? o.last.end : data.stages[o.stage].offset;
  }
  return all;
}

// ---- text

function time(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)} ms`;
  return us < 6e7 ? `${(us / 1e6).toFixed(2)} s` : `${Math.floor(us / 6e7)} min ${Math.round(us % 6e7 / 1e6)} s`;
}

function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < 4) { bytes /= 1024; unit++; }
  return `${unit ? bytes.toFixed(1) : bytes} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

const phaseName = phase => NAMES[phase] || phase;
const count = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

/** Creates an element with text or elements in it. Data is never interpreted as HTML. */
function make(name, attributes, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'colour') element.style.background = value;
    else if (key === 'width') element.style.width = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...inside.filter(part => part !== null && part !== undefined));
  return element;
}

function table(element, head, rows) {
  const cell = (name, content, i) => make(name, {...(head[i].class && {class: head[i].class}),
    ...(name === 'th' && {scope: 'col'})}, content);
  element.replaceChildren(
    make('thead', null, make('tr', null, ...head.map((h, i) => cell('th', h.name, i)))),
    make('tbody', null, ...rows.map(row => make('tr', null, ...row.map((content, i) => cell('td', content, i))))));
}

// ---- start

const data = await unpack(byId('data').textContent);
const all = operations(data);
const total = Math.max(1, data.stages.reduce((sum, stage) => sum + stage.durationUs, 0));
const hidden = new Set();
let view = {from: 0, to: total};
let chosen = null;

// ---- head

function head() {
  const failures = all.filter(o => o.outcome === FAILED);
  const broken = data.stages.filter(stage => stage.outcome === 'failed');
  const failed = failures.length + broken.length > 0;
  const title = `kindling ${data.command}`;
  document.title = `${title}: ${failed ? 'failed' : 'done'}`;
  byId('title').textContent = title;
  byId('verdict').className = failed ? 'bad' : 'good';
  byId('verdict').textContent = failed ? `Failed after ${time(total)}` : `Done in ${time(total)}`;
  const outcomes = OUTCOMES.map((word, n) => [word, all.filter(o => o.outcome === n).length]).filter(([, n]) => n);
  const bytes = all.reduce((sum, o) => sum + (o.bytes || 0), 0);
  const facts = [
    ['Started', data.started], ['Operations', outcomes.map(([word, n]) => `${n.toLocaleString('en')} ${word}`).join(', ') || 'none'],
    ['Written', size(bytes)],
    ...data.sources.map(source => ['Config', `${source.name} (sha512 ${source.sha512.slice(0, 16)}...)`]),
    ...data.stages.filter(stage => stage.planDigest).map(stage =>
      [stage.name ? `Plan of ${stage.name}` : 'Plan', stage.planDigest.slice(0, 16) + '...']),
    ...(data.bootId ? [['Boot', data.bootId]] : []), ['Version', `kindling ${data.kindling}`]];
  byId('about').replaceChildren(...facts.flatMap(([name, value]) => [make('dt', null, name), make('dd', null, value)]));
}

function failures() {
  const cards = all.filter(o => o.outcome === FAILED).map(o => failure(o.act, o.error, o.origin, o.path, o.remedy, o));
  for (const stage of data.stages) {
    const f = stage.failure;
    if (f) {
      const origin = f.origin ? `${f.origin.source}:${f.origin.line}:${f.origin.column}` : '';
      cards.push(failure(`stage ${stage.name}`, f.error, origin, f.origin ? f.origin.path : '', f.remedy, null));
    }
  }
  byId('failures').hidden = !cards.length;
  byId('failure-list').replaceChildren(...cards);
  const warnings = data.stages.flatMap(stage => stage.warnings || []);
  byId('warnings').hidden = !warnings.length;
  byId('warning-list').replaceChildren(...warnings.map(w => make('li', null, make('span', {class: 'warn'}, w.what), `: ${w.cause}`,
    w.origin ? make('span', {class: 'mono'}, ` (${w.origin.source}:${w.origin.line}:${w.origin.column})`) : null,
    w.hint ? ` To do: ${w.hint}` : null)));
}

function failure(act, error, origin, path, remedy, operation) {
  return make('div', {class: 'failure'},
    make('p', null, make('strong', null, act)), make('p', null, error),
    origin ? make('p', null, 'requested at ', make('span', {class: 'mono'}, `${origin} (${path})`)) : null,
    remedy ? make('p', null, `To do: ${remedy}`) : null,
    operation ? make('p', null, make('button', {type: 'button', onclick: () => choose(operation, true)}, 'Show in the timeline')) : null);
}

// ---- timeline

const canvas = byId('canvas');
/** Rows: one for each worker of each stage that did something. */
const rows = data.stages.flatMap((stage, s) => {
  const own = all.slice(stage.first, stage.first + stage.count).filter(o => o.outcome !== NOT_STARTED);
  const workers = [...new Set(own.map(o => o.worker))].sort((a, b) => a - b);
  return workers.map((worker, n) => ({stage: s, worker, first: n === 0,
    operations: own.filter(o => o.worker === worker).sort((a, b) => a.start - b.start)}));
});
rows.forEach((row, r) => row.operations.forEach(o => { o.row = r; }));
const named = data.stages.some(stage => stage.name);
{
  let top = AXIS;
  for (const row of rows) {
    if (named && row.first) top += STAGE;
    row.top = top;
    top += ROW;
  }
  rows.height = top + 4;
}

const shown = o => !hidden.has(o.phase);

function draw() {
  const width = canvas.parentElement.clientWidth, ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = rows.height * ratio;
  canvas.style.height = `${rows.height}px`;
  const pen = canvas.getContext('2d');
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name);
  pen.scale(ratio, ratio);
  pen.font = '12px system-ui, sans-serif';
  const x = us => (us - view.from) / (view.to - view.from) * width;
  axis(pen, x, width, colour);
  for (const row of rows) {
    if (named && row.first) {
      pen.fillStyle = colour('--faint');
      pen.fillText(data.stages[row.stage].name, 4, row.top - 5);
    }
    pen.fillStyle = colour('--empty');
    pen.fillRect(0, row.top + 1, width, ROW - 3);
    let covered = -1;
    for (const o of row.operations) {
      if (o.end < view.from || o.start > view.to || !shown(o)) continue;
      const left = x(o.start), right = Math.max(x(o.end), left + 1);
      // Skip operations whose pixels are painted already, unless they failed.
      if (right <= covered && o.outcome !== FAILED) continue;
      pen.fillStyle = o.outcome === FAILED ? colour('--bad') : COLOURS[o.phase] || colour('--faint');
      pen.fillRect(left, row.top + 1, right - left, ROW - 3);
      covered = right;
    }
  }
  if (chosen && chosen.row !== undefined) mark(pen, x, colour);
  byId('window').textContent = `${time(view.from)} to ${time(view.to)}`;
}

function axis(pen, x, width, colour) {
  const span = view.to - view.from;
  const step = [1, 2, 5].flatMap(n => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(e => n * 10 ** e)).sort((a, b) => a - b)
    .find(s => span / s <= width / 90) || span;
  pen.fillStyle = colour('--faint');
  pen.strokeStyle = colour('--line');
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    pen.fillText(time(at), x(at) + 3, 15);
    pen.beginPath();
    pen.moveTo(x(at) + .5, 0);
    pen.lineTo(x(at) + .5, rows.height);
    pen.stroke();
  }
}

function mark(pen, x, colour) {
  const row = rows[chosen.row], left = x(chosen.start), right = Math.max(x(chosen.end), left + 1);
  pen.strokeStyle = colour('--text');
  pen.lineWidth = 2;
  pen.strokeRect(left - 1, row.top, right - left + 2, ROW - 1);
  if (chosen.last && chosen.last.row !== undefined) {
    const before = rows[chosen.last.row];
    pen.beginPath();
    pen.moveTo(x(chosen.last.end), before.top + ROW / 2);
    pen.lineTo(left, row.top + ROW / 2);
    pen.stroke();
  }
  pen.lineWidth = 1;
}

function zoom(factor, around) {
  const middle = around === undefined ? (chosen ? chosen.start : (view.from + view.to) / 2) : around;
  const span = Math.min(total, Math.max(MIN_WINDOW_US, (view.to - view.from) * factor));
  const share = Math.min(1, Math.max(0, (middle - view.from) / (view.to - view.from)));
  setView(middle - share * span, span);
}

function setView(from, span) {
  const start = Math.max(0, Math.min(from, total - span));
  view = {from: start, to: start + span};
  draw();
}

function choose(o, show) {
  chosen = o;
  const span = view.to - view.from;
  if (o && (o.start < view.from || o.end > view.to)) setView(o.start - span / 3, span);
  else draw();
  detail();
  if (show) byId('timeline').scrollIntoView({block: 'nearest'});
}

function detail() {
  const box = byId('detail');
  if (!chosen) {
    box.replaceChildren(make('p', {class: 'hint'}, 'Point at an operation, or go to one with the arrow keys.'));
    return;
  }
  const o = chosen, waited = o.start - o.ready;
  const facts = [
    ['Phase', phaseName(o.phase) + (data.stages[o.stage].name ? `, stage ${data.stages[o.stage].name}` : '')],
    ['Outcome', OUTCOMES[o.outcome]],
    ['Time', o.outcome === NOT_STARTED ? 'none' : `${time(o.duration)}, from ${time(o.start)}, by worker ${o.worker + 1}`],
    ['Waited for', (o.last ? `${o.last.act}, done at ${time(o.last.end)}` : 'nothing')
      + (o.outcome !== NOT_STARTED && waited > 0 ? `; then ${time(waited)} for a worker` : '')],
    ...(o.bytes === null ? [] : [['Written', size(o.bytes)]]),
    ['Requested at', o.origin ? `${o.origin} (${o.path})` : 'by no line of a config; it follows from others'],
    ...(o.error ? [['Error', o.error]] : []), ...(o.remedy ? [['Hint', o.remedy]] : [])];
  box.replaceChildren(make('p', {class: 'mono'}, `#${o.i} ${o.act}`),
    make('dl', null, ...facts.flatMap(([name, value]) => [make('dt', null, name), make('dd', null, value)])));
}

/** The operation at a position on the canvas: the nearest one of its row, if it is close enough. */
function at(event) {
  const area = canvas.getBoundingClientRect();
  const y = event.clientY - area.top;
  const us = view.from + (event.clientX - area.left) / area.width * (view.to - view.from);
  const row = rows.find(r => y >= r.top && y < r.top + ROW);
  if (!row) return {us, operation: null};
  const away = o => Math.max(0, o.start - us, us - o.end);
  const nearest = row.operations.filter(shown).reduce((best, o) => (!best || away(o) <= away(best) ? o : best), null);
  return {us, operation: nearest && away(nearest) <= (view.to - view.from) * 4 / area.width ? nearest : null};
}

function keys(event) {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  const rowStep = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (step) go(chosen && chosen.row !== undefined ? chosen.row : 0, step);
  else if (rowStep) changeRow(rowStep);
  else if (event.key === '+' || event.key === '=') zoom(.5);
  else if (event.key === '-') zoom(2);
  else if (event.key === '0') setView(0, total);
  else if (event.key === 'c' && chosen && chosen.last) choose(chosen.last);
  else if (event.key === 'Home' && rows.length) choose(rows[0].operations.find(shown) || null);
  else return;
  event.preventDefault();
}

function go(r, step) {
  const own = rows[r] ? rows[r].operations.filter(shown) : [];
  const here = chosen && chosen.row === r ? own.indexOf(chosen) : -1;
  const next = here < 0 ? own[0] : own[here + step];
  if (next) choose(next);
}

function changeRow(rowStep) {
  const r = chosen && chosen.row !== undefined ? chosen.row + rowStep : 0;
  if (!rows[r]) return;
  const when = chosen ? chosen.start : view.from;
  const own = rows[r].operations.filter(shown);
  const next = own.reduce((best, o) => (!best || Math.abs(o.start - when) < Math.abs(best.start - when) ? o : best), null);
  if (next) choose(next);
}

function timeline() {
  const box = byId('timeline');
  let dragX = null;
  box.addEventListener('keydown', keys);
  canvas.addEventListener('pointermove', event => {
    if (dragX !== null) {
      const span = view.to - view.from;
      setView(view.from - (event.clientX - dragX) / canvas.clientWidth * span, span);
      dragX = event.clientX;
      return;
    }
    const found = at(event).operation;
    if (found && found !== chosen) choose(found);
  });
  canvas.addEventListener('pointerdown', event => { dragX = event.clientX; canvas.setPointerCapture(event.pointerId); choose(at(event).operation || chosen); });
  canvas.addEventListener('pointerup', () => { dragX = null; });
  canvas.addEventListener('pointercancel', () => { dragX = null; });
  canvas.addEventListener('wheel', event => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, at(event).us);
  }, {passive: false});
  byId('closer').addEventListener('click', () => zoom(.5));
  byId('farther').addEventListener('click', () => zoom(2));
  byId('whole').addEventListener('click', () => setView(0, total));
  const phases = [...new Set(all.map(o => o.phase))];
  byId('legend').replaceChildren(...phases.map(phase => make('button', {type: 'button', 'aria-pressed': 'true', onclick: event => {
    const off = !hidden.delete(phase) && hidden.add(phase);
    event.currentTarget.setAttribute('aria-pressed', String(!off));
    draw();
  }}, make('i', {colour: COLOURS[phase], 'aria-hidden': 'true'}), phaseName(phase))));
}

// ---- tables

const NUMBER = 'number';
const link = o => make('button', {type: 'button', onclick: () => choose(o, true)}, o.act);

function phases() {
  const groups = new Map();
  for (const o of all.filter(o => o.outcome !== NOT_STARTED)) {
    const key = `${o.stage} ${o.phase}`;
    const g = groups.get(key) || {stage: o.stage, phase: o.phase, n: 0, busy: 0, bytes: 0, from: o.start, to: o.end};
    Object.assign(g, {n: g.n + 1, busy: g.busy + o.duration, bytes: g.bytes + (o.bytes || 0),
      from: Math.min(g.from, o.start), to: Math.max(g.to, o.end)});
    groups.set(key, g);
  }
  const list = [...groups.values()].sort((a, b) => a.from - b.from);
  const most = Math.max(1, ...list.map(g => g.to - g.from));
  table(byId('phases'), [...(named ? [{name: 'Stage'}] : []), {name: 'Phase'}, {name: 'Operations', class: NUMBER},
    {name: 'From first to last', class: NUMBER}, {name: 'Share', class: 'bar'}, {name: 'All workers', class: NUMBER},
    {name: 'Written', class: NUMBER}],
  list.map(g => [...(named ? [data.stages[g.stage].name] : []), phaseName(g.phase), g.n.toLocaleString('en'), time(g.to - g.from),
    make('i', {colour: COLOURS[g.phase], width: `${(g.to - g.from) / most * 100}%`}), time(g.busy), g.bytes ? size(g.bytes) : '']));
}

function criticalPath() {
  const ran = all.filter(o => o.outcome !== NOT_STARTED);
  const path = [];
  let o = ran.reduce((last, one) => (!last || one.end > last.end ? one : last), null);
  while (o && path.length < 200) {
    path.unshift(o);
    o = o.last;
  }
  table(byId('path'), [{name: 'Start', class: NUMBER}, {name: 'Waited for a worker', class: NUMBER}, {name: 'Took', class: NUMBER},
    {name: 'Operation', class: 'what'}],
  path.map(o => [time(o.start), o.start > o.ready ? time(o.start - o.ready) : '', time(o.duration), link(o)]));
}

let page = 0;
function list() {
  const term = byId('find').value.toLowerCase();
  const found = all.filter(o => !term || [o.act, o.origin, o.path, phaseName(o.phase), OUTCOMES[o.outcome]].some(t => t.toLowerCase().includes(term)));
  const order = byId('order').value;
  if (order === 'longest') found.sort((a, b) => b.duration - a.duration);
  if (order === 'start') found.sort((a, b) => a.start - b.start);
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  page = Math.min(page, pages - 1);
  byId('previous').disabled = page === 0;
  byId('next').disabled = page === pages - 1;
  byId('shown').textContent = `${count(found.length, 'operation')}, page ${page + 1} of ${pages}`;
  table(byId('operations'), [{name: 'Start', class: NUMBER}, {name: 'Took', class: NUMBER}, {name: 'Phase'},
    {name: 'Operation', class: 'what'}, {name: 'Outcome'}, {name: 'Requested at', class: 'what'}],
  found.slice(page * PAGE, page * PAGE + PAGE).map(o => [o.outcome === NOT_STARTED ? '' : time(o.start),
    o.outcome === NOT_STARTED ? '' : time(o.duration), phaseName(o.phase), link(o),
    make('span', {class: o.outcome === FAILED ? 'bad' : ''}, OUTCOMES[o.outcome]), make('span', {class: 'mono'}, o.origin)]));
}

function lists() {
  byId('find').addEventListener('input', () => { page = 0; list(); });
  byId('order').addEventListener('change', () => { page = 0; list(); });
  byId('previous').addEventListener('click', () => { page--; list(); });
  byId('next').addEventListener('click', () => { page++; list(); });
  list();
}

head();
failures();
timeline();
phases();
criticalPath();
lists();
chosen = all.find(o => o.outcome === FAILED) || null;
detail();
draw();
new ResizeObserver(draw).observe(byId('timeline'));
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
window.addEventListener('beforeprint', draw);
document.documentElement.dataset.ready = 'true';
})();
