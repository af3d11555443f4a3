// SPDX-License-Identifier: BSD-2-Clause
// The exits: a filter, a picture of lanes (one per reason), a list that draws only what is seen.
const LANE = 20, LEFT = 150, TOP = 4, AXIS = 20, ROW = 22, MOST_LANES = 14;
const hasTime = exits.count > 0 && exits.time[0] >= 0;
const filter = { levels: new Set(), cpus: new Set(), reason: null, text: '' };
const line = { shown: new Uint32Array(0), lanes: [], from: 0, to: 1, picked: -1, byTime: false };

// The x of an exit: its time, or its number.
const xOf = index => line.byTime ? exits.time[index] : index;
const whole = () => exits.count ? (line.byTime ? [exits.time[0], exits.time[exits.count - 1] + 1] : [0, exits.count]) : [0, 1];

function applyFilter() {
  const words = filter.text.toLowerCase().trim();
  const number = /^(0x)?[0-9a-f]{3,}$/.test(words) ? words.replace(/^0x/, '') : '';
  const reasonFits = new Map(reasonsByCount.map(reason => [reason, !words || reasonName(reason).includes(words)]));
  const eventFits = new Set(Object.keys(data.events).filter(event => words && data.events[event].toLowerCase().includes(words)).map(Number));
  const found = new Uint32Array(exits.count);
  let count = 0;
  for (let i = 0; i < exits.count; i++) {
    if (filter.levels.size && !filter.levels.has(kindName(i))) continue;
    if (filter.cpus.size && !filter.cpus.has(exits.cpu[i])) continue;
    if (filter.reason !== null && exits.reason[i] !== filter.reason) continue;
    if (words && !reasonFits.get(exits.reason[i]) && !(eventFits.size && (eventFits.has(exits.event[i]) || eventFits.has(exits.inject[i]))) && !(number && (exits.rip[i].toString(16).includes(number) || exits.qualification[i].toString(16) === number))) continue;
    found[count++] = i;
  }
  line.shown = found.slice(0, count);
  chooseLanes();
  $('exit-count').textContent = `${commas(count)} of ${commas(exits.count)} exits`;
  $('exit-space').style.height = count * ROW + 'px';
  drawLanes(); drawExitRows(); drawTotals();
}

function chooseLanes() {
  const present = new Set();
  for (const index of line.shown) present.add(exits.reason[index]);
  const order = reasonsByCount.filter(reason => present.has(reason));
  line.lanes = order.slice(0, order.length > MOST_LANES ? MOST_LANES - 1 : MOST_LANES).map(reason => ({ reason, name: reasonName(reason) }));
  if (order.length > MOST_LANES) line.lanes.push({ reason: null, name: `${order.length - MOST_LANES + 1} others` });
}

function fit(canvas, height) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.style.height = height + 'px';
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Counts the exits per lane and pixel, so that a hundred thousand cost one pass.
function bins(width) {
  const lanes = line.lanes.length, pixels = Math.max(1, Math.floor(width - LEFT - 8));
  const counts = new Uint32Array(lanes * pixels);
  const laneOf = new Map(line.lanes.map((lane, n) => [lane.reason, n]));
  const other = laneOf.get(null);
  const scale = pixels / (line.to - line.from);
  for (const index of line.shown) {
    const x = Math.floor((xOf(index) - line.from) * scale);
    if (x < 0 || x >= pixels) continue;
    counts[(laneOf.get(exits.reason[index]) ?? other) * pixels + x]++;
  }
  return { counts, pixels, scale };
}

function drawLanes() {
  const height = TOP + Math.max(1, line.lanes.length) * LANE + AXIS;
  const { context, width } = fit($('lanes'), height);
  const { counts, pixels, scale } = bins(width);
  context.font = '12px system-ui, "DejaVu Sans", sans-serif';
  context.textBaseline = 'middle';
  line.lanes.forEach((lane, n) => {
    const y = TOP + n * LANE;
    context.fillStyle = n % 2 ? ink('--card') : ink('--soft');
    context.fillRect(LEFT, y, pixels, LANE);
    context.fillStyle = filter.reason === lane.reason && lane.reason !== null ? ink('--accent') : ink('--ink');
    context.textAlign = 'right';
    context.fillText(lane.name, LEFT - 10, y + LANE / 2, LEFT - 16);
    drawLane(context, lane, counts.subarray(n * pixels, (n + 1) * pixels), y, scale);
  });
  drawAxis(context, height, pixels);
  drawPicked(context, height, scale);
  drawOverview();
}

function drawLane(context, lane, counts, y, scale) {
  const thick = Math.max(1, Math.min(6, scale * (line.byTime ? 0 : 1) - 1));
  let most = 1;
  for (const count of counts) if (count > most) most = count;
  const reason = lane.reason === null ? -1 : lane.reason;
  for (let x = 0; x < counts.length; x++) {
    if (!counts[x]) continue;
    const share = Math.log1p(counts[x]) / Math.log1p(most);
    const tall = (LANE - 4) * (0.35 + 0.65 * share);
    context.fillStyle = reason < 0 ? `hsl(220 8% 55% / ${0.35 + 0.65 * share})` : colourOf(reason, 0.45 + 0.55 * share);
    context.fillRect(LEFT + x, y + (LANE - tall) / 2, thick, tall);
  }
}

function axisStep(span, pixels) {
  const rough = span / Math.max(1, pixels / 110), power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map(n => n * power).find(step => step >= rough) || power;
}

function drawAxis(context, height, pixels) {
  const step = line.byTime ? axisStep(line.to - line.from, pixels) : Math.max(1, axisStep(line.to - line.from, pixels));
  const base = line.byTime ? whole()[0] : 0;
  context.fillStyle = ink('--quiet'); context.strokeStyle = ink('--line');
  context.textAlign = 'center'; context.font = '11px system-ui, "DejaVu Sans", sans-serif';
  for (let value = Math.ceil((line.from - base) / step) * step; value + base <= line.to; value += step) {
    const x = LEFT + (value + base - line.from) * pixels / (line.to - line.from);
    context.beginPath(); context.moveTo(x, TOP); context.lineTo(x, height - AXIS + 3); context.stroke();
    const text = line.byTime ? (step < 1 ? value.toFixed(6).replace(/0+$/, '') : commas(value)) : commas(value);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(x, LEFT + half), LEFT + pixels - half), height - AXIS / 2 + 2);
  }
  context.textAlign = 'right';
  context.fillText(line.byTime ? (data.unit === 'ns' ? 'seconds' : 'ticks') : 'exit number', LEFT - 10, height - AXIS / 2 + 2);
}

function drawPicked(context, height, scale) {
  if (line.picked < 0) return;
  const x = LEFT + (xOf(line.picked) - line.from) * scale;
  if (x < LEFT) return;
  context.strokeStyle = ink('--old'); context.lineWidth = 1.5;
  context.beginPath(); context.moveTo(x, TOP); context.lineTo(x, height - AXIS); context.stroke();
  context.lineWidth = 1;
}

function drawOverview() {
  const { context, width, height } = fit($('overview'), 34);
  const pixels = Math.max(1, Math.floor(width - LEFT - 8)), [first, last] = whole();
  const counts = new Uint32Array(pixels), scale = pixels / (last - first);
  let most = 1;
  for (const index of line.shown) {
    const x = Math.min(pixels - 1, Math.floor((xOf(index) - first) * scale));
    if (++counts[x] > most) most = counts[x];
  }
  context.fillStyle = ink('--soft'); context.fillRect(LEFT, 0, pixels, height);
  context.fillStyle = ink('--quiet');
  for (let x = 0; x < pixels; x++) if (counts[x]) {
    const tall = Math.max(1, (height - 4) * counts[x] / most);
    context.fillRect(LEFT + x, height - tall, 1, tall);
  }
  const a = LEFT + (line.from - first) * scale, b = LEFT + (line.to - first) * scale;
  context.fillStyle = ink('--accent'); context.globalAlpha = 0.18; context.fillRect(a, 0, Math.max(3, b - a), height);
  context.globalAlpha = 1; context.strokeStyle = ink('--accent'); context.strokeRect(a + 0.5, 0.5, Math.max(2, b - a - 1), height - 1);
  context.fillStyle = ink('--quiet'); context.font = '11px system-ui, "DejaVu Sans", sans-serif';
  context.textAlign = 'right'; context.textBaseline = 'middle'; context.fillText('whole log', LEFT - 10, height / 2);
}

function setRange(from, to) {
  const [first, last] = whole(), least = line.byTime ? (last - first) / 1e7 : 5;
  let span = Math.max(least, Math.min(last - first, to - from));
  from = Math.max(first, Math.min(from, last - span));
  line.from = from; line.to = from + span;
  drawLanes();
}
function zoom(factor, around) {
  const middle = around ?? (line.from + line.to) / 2;
  setRange(middle - (middle - line.from) * factor, middle + (line.to - middle) * factor);
}
const at = (canvas, event) => {
  const box = canvas.getBoundingClientRect(), pixels = box.width - LEFT - 8;
  return { x: event.clientX - box.left, y: event.clientY - box.top, pixels };
};

// The shown exit nearest to a place in the picture, in its lane if there is one.
function nearest(event) {
  const { x, y, pixels } = at($('lanes'), event);
  const lane = line.lanes[Math.floor((y - TOP) / LANE)];
  const want = line.from + (x - LEFT) * (line.to - line.from) / pixels;
  if (!lane || x < LEFT) return { lane, index: -1 };
  const main = new Set(line.lanes.map(one => one.reason));
  let best = -1, distance = Infinity;
  for (const index of line.shown) {
    const reason = exits.reason[index];
    if (lane.reason === null ? main.has(reason) : reason !== lane.reason) continue;
    const away = Math.abs(xOf(index) - want);
    if (away < distance) { distance = away; best = index; }
  }
  return { lane, index: distance * pixels / (line.to - line.from) <= 8 ? best : -1 };
}

function drawExitRows() {
  const list = $('exit-list'), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
  const count = Math.ceil(list.clientHeight / ROW) + 8;
  const rows = [];
  for (let n = first; n < Math.min(line.shown.length, first + count); n++) rows.push(exitRow(line.shown[n]));
  $('exit-rows').style.transform = `translateY(${first * ROW}px)`;
  $('exit-rows').replaceChildren(...(rows.length ? rows : [make('div', { class: 'empty' }, exits.count ? 'No exit fits the filter.' : 'No exit trace in this log.')]));
}

function exitRow(index) {
  const reason = exits.reason[index];
  const swatch = make('span', { class: 'swatch' });
  swatch.style.background = colourOf(reason);
  return make('div', { class: 'exit' + (index === line.picked ? ' picked' : ''), 'data-exit': index, onclick: () => pickExit(index) },
    make('span', { class: 'right quiet' }, commas(index)), make('span', {}, hex(exits.cpu[index], 2)),
    make('span', {}, kindName(index)), make('span', { class: 'num' }, exits.rip[index] ? hex(exits.rip[index], 16) : ''),
    make('span', {}, swatch, reasonName(reason) + (exits.failed[index] ? ' ✗' : ''), make('span', { class: 'quiet' }, eventText(index) && ' ' + eventText(index))),
    make('span', { class: 'num' }, exits.qualification[index] ? hex(exits.qualification[index]) : ''),
    make('span', { class: 'right' }, exits.ticks[index] >= 0n ? commas(exits.spent[index]) : ''));
}

const KINDS = { 101: 'L1 to L0, back to L1', 102: 'L1 to L0, on to L2 (VM entry)', 201: 'L2 to L0, reflected to L1', 202: 'L2 to L0, back to L2', exit: 'from the guest' };
function pickExit(index) {
  line.picked = index;
  const near = dumpsOf(index), rows = [];
  const add = (name, value) => value && rows.push(make('dt', {}, name), make('dd', { class: /^0x/.test(value) ? 'num' : '' }, value));
  add('kind', `${kindName(index)}: ${KINDS[kindName(index)] || ''}`);
  add('CPU', hex(exits.cpu[index], 2)); add('line', commas(exits.line[index]));
  add('RIP', exits.rip[index] ? hex(exits.rip[index], 16) : ''); add('qualification', hex(exits.qualification[index]));
  add('means', data.qualifications[exits.reason[index] + ':' + exits.qualification[index].toString(16)]);
  add('event', exits.event[index] ? `${eventOf(index)}  ${hex(exits.event[index], 8)}` : '');
  add('injects', exits.inject[index] ? `${injectedBy(index)}  ${hex(exits.inject[index], 8)}` : '');
  add(data.unit, exits.ticks[index] >= 0n ? commas(exits.spent[index]) : '');
  add('time', exits.time[index] < 0 ? '' : data.unit === 'ns' ? `${exits.time[index].toFixed(6)} s` : commas(exits.time[index]));
  const links = near.map(number => make('button', { type: 'button', class: 'to-dump', onclick: () => goToDump(near, number) }, data.dumps[number].tag || `dump ${number + 1}`));
  $('exit-detail').replaceChildren(make('h3', {}, `#${commas(index)} ${reasonName(exits.reason[index])}`), make('dl', {}, ...rows),
    links.length ? make('div', { class: 'links' }, make('span', { class: 'quiet' }, 'its dump:'), ...links) : make('p', { class: 'quiet' }, 'The log has no dump near this exit.'));
  drawLanes(); drawExitRows();
}

// The dumps of an exit: those of its CPU printed next after it and before the next exit there, else the last before.
function dumpsOf(index) {
  const cpu = hex(exits.cpu[index], 2), start = exits.line[index];
  let end = Infinity;
  for (let n = index + 1; n < exits.count; n++) if (exits.log[n] !== exits.log[index]) break; else if (exits.cpu[n] === exits.cpu[index]) { end = exits.line[n]; break; }
  const own = data.dumps.map((dump, number) => [dump, number]).filter(([dump]) => dump.log === exits.log[index] && (!dump.cpu || dump.cpu === cpu));
  const after = own.filter(([dump]) => dump.line > start && dump.line < end);
  if (after.length) return after.map(pair => pair[1]).slice(0, 3);
  const before = own.filter(([dump]) => dump.line < start);
  if (!before.length) return [];
  const moment = before[before.length - 1][0].moment;
  return before.filter(([dump]) => dump.moment === moment).map(pair => pair[1]).slice(-3);
}
function goToDump(near, number) {
  view.picks = [number, ...near.filter(other => other !== number)].slice(0, 3).sort((a, b) => a - b);
  drawDumps();
  $('dumps').scrollIntoView({ block: 'start' });
}
function step(by) {
  if (!line.shown.length) return;
  let n = line.shown.indexOf(line.picked);
  n = n < 0 ? 0 : Math.max(0, Math.min(line.shown.length - 1, n + by));
  pickExit(line.shown[n]);
  const list = $('exit-list'), y = n * ROW;
  if (y < list.scrollTop || y > list.scrollTop + list.clientHeight - 3 * ROW) list.scrollTop = y - list.clientHeight / 2;
  const x = xOf(line.picked);
  if (x < line.from || x > line.to) setRange(x - (line.to - line.from) / 2, x + (line.to - line.from) / 2);
}
function scrollToExit(index) {
  const n = line.shown.indexOf(index);
  if (n >= 0) $('exit-list').scrollTop = Math.max(0, n * ROW - $('exit-list').clientHeight / 2);
}

function chips(id, values, set, label) {
  $(id).replaceChildren(...(values.length > 1 ? values : []).map(value => make('button', { type: 'button', 'aria-pressed': 'false', title: KINDS[value] || '', 'data-value': value,
    onclick: event => {
      if (!set.delete(value)) set.add(value);
      event.currentTarget.setAttribute('aria-pressed', set.has(value) ? 'true' : 'false');
      applyFilter();
    } }, label(value))));
}
function clearFilter() {
  filter.levels.clear(); filter.cpus.clear(); filter.reason = null; filter.text = ''; $('exit-search').value = '';
  document.querySelectorAll('#levels button, #cpus button').forEach(button => button.setAttribute('aria-pressed', 'false'));
  applyFilter();
}

function startTimeline() {
  const kinds = [...new Set(exits.kind)].sort().map(kind => data.kinds[kind]);
  chips('levels', kinds, filter.levels, value => value === 'exit' ? 'L1' : value);
  chips('cpus', [...new Set(exits.cpu)].sort((a, b) => a - b), filter.cpus, cpu => 'CPU ' + hex(cpu, 2));
  $('axis-label').hidden = !hasTime;
  $('exit-head').hidden = !exits.count;
  $('head-spent').textContent = exits.ticks.some(ticks => ticks >= 0n) ? data.unit : '';
  $('by-time').addEventListener('change', event => { line.byTime = event.target.checked; [line.from, line.to] = whole(); drawLanes(); });
  $('exit-search').addEventListener('input', event => { filter.text = event.target.value; applyFilter(); });
  $('zoom-in').addEventListener('click', () => zoom(0.5)); $('zoom-out').addEventListener('click', () => zoom(2));
  $('zoom-all').addEventListener('click', () => setRange(...whole()));
  $('clear-filter').addEventListener('click', clearFilter);
  $('exit-list').addEventListener('scroll', () => requestAnimationFrame(drawExitRows));
  startLanes(); startOverview();
  new ResizeObserver(() => drawLanes()).observe($('lanes').parentElement);
  [line.from, line.to] = whole();
  applyFilter();
}

function startLanes() {
  const lanes = $('lanes'), tip = $('tip');
  let drag = null;
  lanes.addEventListener('wheel', event => {
    event.preventDefault();
    const { x, pixels } = at(lanes, event), span = line.to - line.from;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) setRange(line.from + span * (event.deltaX || event.deltaY) / 1000, line.to + span * (event.deltaX || event.deltaY) / 1000);
    else zoom(Math.exp(event.deltaY / 400), line.from + (x - LEFT) * span / pixels);
  }, { passive: false });
  lanes.addEventListener('pointerdown', event => { drag = { x: event.clientX, from: line.from, to: line.to, moved: false }; lanes.setPointerCapture(event.pointerId); });
  lanes.addEventListener('pointermove', event => {
    if (drag && Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag && drag.moved) {
      const by = (drag.x - event.clientX) * (drag.to - drag.from) / at(lanes, event).pixels;
      tip.hidden = true;
      return setRange(drag.from + by, drag.to + by);
    }
    const { index } = nearest(event);
    tip.hidden = index < 0;
    if (index < 0) return;
    tip.textContent = `#${commas(index)} ${kindName(index)} ${[reasonName(exits.reason[index]), eventText(index)].filter(Boolean).join(' ')}${exits.rip[index] ? ' at ' + hex(exits.rip[index]) : ''}` + (exits.ticks[index] >= 0n ? `, ${commas(exits.spent[index])} ${data.unit}` : '');
    const { x, y } = at(lanes, event);
    tip.style.left = Math.min(x + 28, lanes.clientWidth - tip.offsetWidth) + 'px'; tip.style.top = y + 26 + 'px';
  });
  lanes.addEventListener('pointerleave', () => { tip.hidden = true; });
  lanes.addEventListener('pointerup', event => {
    const clicked = drag && !drag.moved;
    drag = null;
    if (!clicked) return;
    const { lane, index } = nearest(event);
    if (at(lanes, event).x < LEFT && lane && lane.reason !== null) filterReason(lane.reason);
    else if (index >= 0) { pickExit(index); scrollToExit(index); }
  });
}

function startOverview() {
  const overview = $('overview');
  const move = event => {
    const { x, pixels } = at(overview, event), [first, last] = whole(), span = line.to - line.from;
    const middle = first + (x - LEFT) * (last - first) / pixels;
    setRange(middle - span / 2, middle + span / 2);
  };
  overview.addEventListener('pointerdown', event => { overview.setPointerCapture(event.pointerId); move(event); });
  overview.addEventListener('pointermove', event => { if (event.buttons) move(event); });
}
function filterReason(reason) { filter.reason = filter.reason === reason ? null : reason; applyFilter(); }
