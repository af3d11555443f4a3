// SPDX-License-Identifier: BSD-2-Clause
// Totals per reason as bars, those of L1 and L2 apart; then the keys and the start of the page.
let byTicks = false;

function totals() {
  const sums = new Map();
  for (const index of line.shown) {
    const reason = exits.reason[index];
    let sum = sums.get(reason);
    if (!sum) sums.set(reason, sum = { reason, count: 0, ticks: 0, L1: 0, L2: 0 });
    const spent = Math.max(0, exits.spent[index]), weight = byTicks ? spent : 1;
    sum.count++; sum.ticks += spent; sum[levelOf(index) === 'L2' ? 'L2' : 'L1'] += weight;
  }
  return [...sums.values()].sort((a, b) => byTicks ? b.ticks - a.ticks : b.count - a.count);
}

function drawTotals() {
  const sums = totals(), all = sums.reduce((total, sum) => total + sum.L1 + sum.L2, 0);
  const most = Math.max(1, ...sums.map(sum => sum.L1 + sum.L2));
  const rows = sums.map(sum => {
    const bar = level => { const piece = make('i', { class: level, title: `${level}: ${commas(sum[level])}` }); piece.style.width = 100 * sum[level] / most + '%'; return piece; };
    const average = sum.ticks ? `${commas(sum.ticks / sum.count)} ${data.unit} each` : '';
    return make('div', { class: 'row', role: 'button', tabindex: '0', 'data-reason': sum.reason, onclick: () => filterReason(sum.reason) },
      make('span', { class: 'label', title: reasonName(sum.reason) }, reasonName(sum.reason)),
      make('span', { class: 'track' }, sum.L2 ? bar('L2') : null, sum.L1 ? bar('L1') : null),
      make('span', { class: 'figures' }, commas(sum.L1 + sum.L2)),
      make('span', { class: 'figures' }, `${all ? (100 * (sum.L1 + sum.L2) / all).toFixed(1) : '0.0'}%`), make('span', { class: 'figures' }, average));
  });
  const swatch = (level, text) => { const square = make('span', { class: 'swatch' }); square.style.background = level === 'L2' ? 'var(--accent)' : 'color-mix(in srgb, var(--accent) 45%, var(--card))'; return make('span', {}, square, text); };
  const both = sums.some(sum => sum.L1) && sums.some(sum => sum.L2);
  $('chart').replaceChildren(...(both ? [make('div', { class: 'legend' }, swatch('L2', 'from L2'), swatch('L1', 'from L1'))] : []),
    ...(rows.length ? rows : [make('div', { class: 'empty' }, 'No exits.')]));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  drawLanes(); drawExitRows();
}
const otherTheme = () => isDark() ? 'light' : 'dark';

const keys = {
  '/': () => $('field-search').focus(), d: () => $('only-diff').click(), u: () => $('unfold').click(),
  t: () => setTheme(otherTheme()), '?': () => $('help').showModal(), j: () => step(1), k: () => step(-1),
  '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 0: () => setRange(...whole()),
  ArrowLeft: () => setRange(line.from - (line.to - line.from) / 5, line.to - (line.to - line.from) / 5),
  ArrowRight: () => setRange(line.from + (line.to - line.from) / 5, line.to + (line.to - line.from) / 5),
  1: () => $('dumps').scrollIntoView(), 2: () => $('timeline').scrollIntoView(), 3: () => $('totals').scrollIntoView(),
  Escape: clearFilter,
  Enter: () => { const button = document.querySelector('#exit-detail .to-dump'); if (button) button.click(); },
};

function start() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  $('title').textContent = data.title;
  $('count-dumps').textContent = commas(data.dumps.length);
  $('count-exits').textContent = commas(exits.count);
  $('notice').hidden = !data.notice; $('notice').textContent = data.notice;
  $('theme').addEventListener('click', () => setTheme(otherTheme()));
  $('help-button').addEventListener('click', () => $('help').showModal());
  for (const [id, on] of [['by-count', false], ['by-ticks', true]])
    $(id).addEventListener('click', () => {
      byTicks = on;
      $('by-count').setAttribute('aria-pressed', String(!on)); $('by-ticks').setAttribute('aria-pressed', String(on));
      drawTotals();
    });
  onEnter($('chart'), target => target.click());
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || $('help').open) return;
    const typing = event.target.matches('input[type="search"]');
    if (typing) { if (event.key === 'Escape') event.target.blur(); return; }
    if (event.key === 'Enter' && event.target.matches('button, a')) return;
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  startDumps();
  startTimeline();
}
start();
