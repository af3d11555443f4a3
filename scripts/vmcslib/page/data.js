'use strict';
// SPDX-License-Identifier: BSD-2-Clause
// The embedded log: dumps as tables of shared values, exits as typed columns.
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);

function column(name, type) {
  const text = atob(data.exits[name] || '');
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new type(bytes.buffer);
}

const exits = {
  count: data.exits.count,
  kind: column('kind', Uint8Array), cpu: column('cpu', Uint16Array), reason: column('reason', Uint16Array),
  failed: column('failed', Uint8Array), rip: column('rip', BigUint64Array),
  qualification: column('qualification', BigUint64Array), event: column('event', Uint32Array), inject: column('inject', Uint32Array),
  ticks: column('ticks', BigInt64Array), time: column('time', Float64Array), log: column('log', Uint16Array), line: column('line', Uint32Array),
};
// Ticks as doubles: exact up to 2^53, enough to add and draw.
exits.spent = Float64Array.from(exits.ticks, Number);

const hex = (value, digits) => '0x' + value.toString(16).padStart(digits || 1, '0');
const reasonName = number => data.reasons[number] || 'reason-' + number;
// The event that an exit is about, and the one that the entry after it injects: #PF, NMI, interrupt 0x30.
const eventOf = index => exits.event[index] ? data.events[exits.event[index]] || '' : '';
const injectedBy = index => exits.inject[index] ? data.events[exits.inject[index]] || '' : '';
const eventText = index => [eventOf(index), injectedBy(index) && 'injects ' + injectedBy(index)].filter(Boolean).join(', ');
const kindName = index => data.kinds[exits.kind[index]];
const levelOf = index => { const k = kindName(index); return k[0] === '1' ? 'L1' : k[0] === '2' ? 'L2' : 'exit'; };
const commas = number => Math.round(number).toLocaleString('en-US');

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'onclick') element.addEventListener('click', value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(child => child !== undefined && child !== null));
  return element;
}

// A colour for each reason, steady over the whole page: the most frequent get the clearest hues.
const HUES = [212, 28, 150, 340, 268, 48, 188, 5, 100, 310, 235, 70];
const reasonsByCount = (() => {
  const counts = new Map();
  for (let i = 0; i < exits.count; i++) counts.set(exits.reason[i], (counts.get(exits.reason[i]) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(pair => pair[0]);
})();
const rankOf = new Map(reasonsByCount.map((reason, rank) => [reason, rank]));
const isDark = () => document.documentElement.dataset.theme === 'dark';
function colourOf(reason, alpha) {
  const rank = rankOf.get(reason);
  const hue = HUES[rank % HUES.length];
  const light = isDark() ? 66 : 44;
  return rank < HUES.length ? `hsl(${hue} 68% ${light}% / ${alpha ?? 1})` : `hsl(220 8% ${light}% / ${alpha ?? 1})`;
}
