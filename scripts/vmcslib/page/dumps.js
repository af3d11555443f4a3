// SPDX-License-Identifier: BSD-2-Clause
// Dumps side by side: the list at the left picks up to three; rows unfold into bits.
const UNKNOWN = -1, ABSENT = -2;
const view = { picks: data.picks.slice(), open: new Set(), all: false, text: '', diff: false, zero: false };

const severalLogs = new Set(data.dumps.map(dump => dump.log)).size > 1;
function cellState(dump, field) { return dump ? dump.v[field] : UNKNOWN; }
function valueOf(state) { return state >= 0 ? data.values[state] : null; }
function columnsPicked() { return view.picks.map(number => data.dumps[number]); }

function isZero(state) { return state < 0 || /^0x0+$/.test(data.values[state][0]); }
function differs(states) {
  const known = states.filter(state => state !== UNKNOWN).map(state => state === ABSENT ? 'absent' : data.values[state][0]);
  return new Set(known).size > 1;
}

function matches(field, states) {
  if (!view.text) return true;
  const words = [field.name, '0x' + field.encoding, field.encoding];
  for (const state of states) if (state >= 0) words.push(data.values[state][0], data.values[state][1]);
  const hay = words.join(' ').toLowerCase();
  return view.text.toLowerCase().split(/\s+/).every(word => hay.includes(word));
}

function marked(text) {
  const word = view.text.trim().split(/\s+/)[0].toLowerCase();
  const at = word ? text.toLowerCase().indexOf(word) : -1;
  if (at < 0) return [text];
  return [text.slice(0, at), make('mark', {}, text.slice(at, at + word.length)), text.slice(at + word.length)];
}

// The labels of the parts in which these states differ.
function differingParts(states) {
  const tables = states.filter(state => state >= 0).map(state => new Map(data.values[state][2] || []));
  const labels = new Set(tables.flatMap(table => [...table.keys()]));
  const text = (table, label) => (table.get(label) || ['', '0'])[1];
  return [...labels].filter(label => new Set(tables.map(table => text(table, label))).size > 1);
}

// Of a long meaning only the parts that differ; all of it is in the tooltip.
function shortMeaning(state, labels) {
  const table = new Map(data.values[state][2]);
  return make('span', { class: 'meaning', title: data.values[state][1] }, ...labels.map(label => {
    const part = table.get(label) || ['', '0', 0];
    return make('span', { class: 'part' }, make('span', { class: 'dot' + (part[2] ? ' on' : '') }),
      label, /^[01]$/.test(part[1]) ? '' : ' ' + part[1]);
  }));
}

function valueCell(state, labels) {
  if (state === UNKNOWN) return make('td', {}, make('span', { class: 'gone', title: 'the log does not have it' }, 'unknown'));
  if (state === ABSENT) return make('td', {}, make('span', { class: 'gone' }, 'unavailable'));
  const [number, meaning] = data.values[state];
  if (labels.length && labels.length <= 12 && meaning.length > 60 && !view.text)
    return make('td', {}, make('span', { class: 'num' }, number), shortMeaning(state, labels));
  return make('td', {}, make('span', { class: 'num' }, ...marked(number)),
    meaning ? make('span', { class: 'meaning' + (meaning.length > 60 ? ' long' : '') }, ...marked(meaning)) : null);
}

function partRows(states) {
  const labels = [];
  const tables = states.map(state => {
    const table = new Map((valueOf(state) || [])[2] || []);
    return table;
  });
  for (const state of states)
    for (const [label, part] of (valueOf(state) || [])[2] || [])
      if (!labels.some(known => known[0] === label)) labels.push([label, part[0], part[3]]);
  labels.sort((a, b) => a[2] - b[2]);
  return labels.map(([label, where]) => {
    const parts = tables.map((table, n) => states[n] >= 0 ? table.get(label) || [where, '0', 0, 0] : null);
    const known = parts.filter(Boolean).map(part => part[1]);
    const different = new Set(known).size > 1;
    const on = parts.some(part => part && part[2]);
    return make('tr', { class: 'bit' + (different ? ' differs' : '') + (on ? '' : ' off') },
      make('td', { class: 'name' }, make('span', { class: 'enc' }, where), /^bit \d+$/.test(label) ? 'reserved' : label),
      ...parts.map(part => part === null ? make('td', {}, '?') :
        make('td', {}, make('span', { class: 'dot' + (part[2] ? ' on' : '') }), part[1])));
  });
}

function headCells(dumps) {
  const letters = ['A', 'B', 'C'];
  return dumps.map((dump, n) => make('th', {}, make('span', { class: 'letter ' + letters[n] }, letters[n]),
    dump.tag || dump.format, make('span', { class: 'where' }, `${dump.cpu ? 'CPU ' + dump.cpu + ', ' : ''}${dump.source}:${dump.line}`)));
}

function drawFields() {
  const dumps = columnsPicked();
  const head = document.querySelector('#fields thead'), body = document.querySelector('#fields tbody');
  document.querySelector('#fields colgroup').replaceChildren(make('col', { class: 'name' }), ...dumps.map(() => make('col')));
  $('fields').style.setProperty('--columns', dumps.length);
  head.replaceChildren(make('tr', {}, make('th', {}, 'Field'), ...headCells(dumps)));
  const rows = [];
  let shown = 0, group = -1;
  data.fields.forEach((field, index) => {
    const states = dumps.map(dump => cellState(dump, index));
    const different = differs(states);
    if (view.diff && !different) return;
    if (!view.zero && !different && !view.text && states.every(isZero)) return;
    if (!matches(field, states)) return;
    if (field.group !== group) {
      group = field.group;
      rows.push(make('tr', { class: 'group' }, make('th', { colspan: dumps.length + 1 }, data.groups[group])));
    }
    shown++;
    const parts = states.some(state => ((valueOf(state) || [])[2] || []).length);
    const labels = different && parts ? differingParts(states) : [];
    const open = parts && (view.all || view.open.has(index));
    rows.push(make('tr', { class: 'field' + (different ? ' differs' : '') + (parts ? ' parts' : '') + (open ? ' open' : ''), 'data-field': index,
      tabindex: parts ? '0' : undefined, 'aria-expanded': parts ? String(open) : undefined },
      make('td', { class: 'name' }, make('span', { class: 'enc' }, ...marked(field.encoding)), ...marked(field.name)),
      ...states.map(state => valueCell(state, labels))));
    if (open) rows.push(...partRows(states));
  });
  rows.push(...msrRows(dumps));
  if (!rows.length) rows.push(make('tr', {}, make('td', { colspan: dumps.length + 1, class: 'empty' },
    dumps.length ? 'No field fits.' : 'No dump in this log.')));
  body.replaceChildren(...rows);
  $('field-count').textContent = dumps.length ? `${shown} of ${data.fields.length} fields` : '';
}

function msrRows(dumps) {
  const keys = new Map();
  for (const dump of dumps) for (const [key] of dump.msrs) keys.set(key, true);
  const rows = [];
  for (const key of keys.keys()) {
    const cells = dumps.map(dump => (dump.msrs.find(entry => entry[0] === key) || [])[1]);
    const different = new Set(cells).size > 1;
    if (view.diff && !different || view.text && !(key + cells.join()).toLowerCase().includes(view.text.toLowerCase())) continue;
    if (!rows.length) rows.push(make('tr', { class: 'group' }, make('th', { colspan: dumps.length + 1 }, 'MSR areas')));
    rows.push(make('tr', { class: 'field' + (different ? ' differs' : '') }, make('td', { class: 'name' }, key),
      ...cells.map(cell => make('td', {}, cell ? make('span', { class: 'num' }, cell) : make('span', { class: 'gone' }, 'not listed')))));
  }
  return rows;
}

function pick(number, column) {
  const at = view.picks.indexOf(number);
  if (column === undefined) view.picks = [number];
  else if (at === column) view.picks.splice(at, 1);
  else {
    if (at >= 0) view.picks.splice(at, 1);
    view.picks.splice(Math.min(column, view.picks.length), column < view.picks.length ? 1 : 0, number);
    view.picks = view.picks.slice(0, 3);
  }
  drawDumps();
}

function drawDumpList() {
  const text = $('dump-search').value.toLowerCase();
  const items = [];
  data.dumps.forEach((dump, number) => {
    const words = `${dump.tag} ${dump.cpu} ${dump.line} ${dump.format} ${dump.summary}`.toLowerCase();
    if (text && !words.includes(text)) return;
    const at = view.picks.indexOf(number);
    const buttons = ['A', 'B', 'C'].map((letter, n) => make('button', { type: 'button', class: letter, 'aria-pressed': at === n ? 'true' : 'false', title: `as column ${letter}`,
      onclick: event => { event.stopPropagation(); pick(number, n); } }, letter));
    items.push(make('li', { class: at >= 0 ? 'hot' : '', 'data-dump': number, tabindex: '0', onclick: () => pick(number) },
      make('span', { class: 'pick' }, ...buttons), make('span', { class: 'tag' }, dump.tag || dump.format), ' ',
      make('span', { class: 'where' }, `${dump.cpu ? 'CPU ' + dump.cpu : ''} line ${dump.line}`),
      severalLogs ? make('span', { class: 'where log', title: dump.source }, make('bdi', {}, dump.source)) : null,
      make('div', { class: 'what', title: dump.summary }, dump.summary)));
  });
  $('dump-list').replaceChildren(...(items.length ? items : [make('li', { class: 'quiet' }, 'none')]));
}

function drawDumps() { drawDumpList(); drawFields(); }

function toggleRow(row) {
  if (!row) return;
  const index = Number(row.dataset.field);
  if (!view.open.delete(index)) view.open.add(index);
  drawFields();
  const again = document.querySelector(`#fields tr[data-field="${index}"]`);
  if (again) again.focus({ preventScroll: true });
}

// Enter and Space do to what has the focus in @element what a click does.
function onEnter(element, action) {
  element.addEventListener('keydown', event => {
    if (event.key !== 'Enter' && event.key !== ' ' || event.target.matches('button, input')) return;
    event.preventDefault(); event.stopPropagation();
    action(event.target);
  });
}

function startDumps() {
  $('field-search').addEventListener('input', event => { view.text = event.target.value; drawFields(); });
  $('only-diff').addEventListener('change', event => { view.diff = event.target.checked; drawFields(); });
  $('show-zero').addEventListener('change', event => { view.zero = event.target.checked; drawFields(); });
  $('dump-search').addEventListener('input', drawDumpList);
  $('unfold').addEventListener('click', () => {
    view.all = !view.all; view.open.clear();
    $('unfold').textContent = view.all ? 'fold all' : 'unfold all';
    drawFields();
  });
  const body = document.querySelector('#fields tbody');
  body.addEventListener('click', event => { if (!String(getSelection())) toggleRow(event.target.closest('tr.field.parts')); });
  onEnter(body, target => toggleRow(target.closest('tr.field.parts')));
  onEnter($('dump-list'), target => {
    const number = Number(target.dataset.dump);
    if (!target.matches('li')) return;
    pick(number);
    document.querySelector(`#dump-list li[data-dump="${number}"]`).focus();
  });
  drawDumps();
}
