'use strict';
// Sorting by a click on a column's head, the searches, and the pictures that a class or a cell of the matrix opens. Without
// it all is there but these.
const value = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const number = Number(text.replaceAll(',', ''));
  return text !== '' && !Number.isNaN(number) ? number : text;
};
const compare = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  // what is not known comes after all numbers
  if (typeof a === 'number') return -1;
  if (typeof b === 'number') return 1;
  return a.localeCompare(b, undefined, { numeric: true });
};
for (const table of document.querySelectorAll('table[data-sortable]')) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  for (const [column, head] of heads.entries()) {
    if (!head.hasAttribute('aria-sort')) continue;
    // no real button: on paper, the words of one are missing where a head is repeated
    const button = document.createElement('span');
    button.setAttribute('role', 'button');
    button.tabIndex = 0;
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      button.click();
    });
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      for (const other of heads) if (other.hasAttribute('aria-sort')) other.setAttribute('aria-sort', 'none');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...body.rows].map((row) => ({ row, key: value(row, column) }));
      rows.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)));
      body.append(...rows.map(({ row }) => row));
    });
  }
}
const search = document.getElementById('search');
if (search) {
  const rows = [...document.getElementById('class-table').tBodies[0].rows];
  const texts = rows.map((row) => `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase());
  const found = document.getElementById('found');
  const all = found.textContent;
  search.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase();
    let count = 0;
    rows.forEach((row, at) => {
      row.hidden = !texts[at].includes(wanted);
      if (!row.hidden) count += 1;
    });
    found.textContent = wanted === '' ? all : `${count} of ${rows.length} shown`;
  });
}
for (const copy of document.querySelectorAll('[data-copy]')) {
  const source = document.querySelector(`#${copy.dataset.copy} img`);
  if (!source) continue;
  const picture = source.cloneNode();
  picture.alt = '';
  copy.prepend(picture);
}
const dialog = document.getElementById('opened');
const shots = [...document.querySelectorAll('.shot[data-t]')];
// `#c7` is a class, `#m7-9` a class that was taken for another
const open = (anchor, from = document.querySelector(`a[href="${anchor}"]`)) => {
  const [, target, predicted] = anchor.match(/^#[cm](\d+)(?:-(\d+))?$/) ?? [];
  if (!target || !from) return false;
  const fits = ({ dataset }) =>
    predicted === undefined
      ? dataset.t === target || dataset.p === target
      : dataset.t === target && dataset.p === predicted;
  const found = shots.filter(fits);
  const title = from.querySelector('title');
  const row = from.closest('tr');
  const pair = row?.parentElement.parentElement.classList.contains('pairs');
  const words = pair ? `${row.cells[0].textContent} taken for ${row.cells[1].textContent}` : from.textContent;
  document.getElementById('opened-title').textContent = title ? title.textContent : words;
  const none = 'No picture of these images is on this page.';
  const own = found.filter(({ dataset }) => dataset.t === target).length;
  const counted = (count) => `${count} ${count === 1 ? 'picture' : 'pictures'}`;
  const taken = own < found.length ? `, and ${counted(found.length - own)} of other classes that were taken for it` : '';
  document.getElementById('opened-note').textContent = found.length === 0 ? none : `${counted(own)} of them${taken}.`;
  const is = `target = ${target}`;
  const { query } = dialog.dataset;
  document.getElementById('opened-query').textContent =
    query === undefined ? '' : `${query} ${predicted === undefined ? is : `${is} AND index[1] = ${predicted}`};`;
  const copies = found.map((shot) => {
    const copy = shot.cloneNode(true);
    copy.removeAttribute('id');
    copy.querySelector('.beside')?.remove();
    return copy;
  });
  document.getElementById('opened-pictures').replaceChildren(...copies);
  if (!dialog.open) dialog.showModal();
  return true;
};
if (dialog) {
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    const dot = event.target.closest('circle[data-c]');
    const anchor = link ? link.getAttribute('href') : dot && `#c${dot.dataset.c}`;
    if (anchor && open(anchor, link ?? undefined)) event.preventDefault();
    if (event.target === dialog) dialog.close();
    const shot = link && document.querySelector('details#examples');
    if (shot && /^#i\d+$/.test(anchor) && shot.querySelector(anchor)) shot.open = true;
  });
  open(location.hash);
}
const highlight = document.getElementById('map-search');
if (highlight) {
  const dots = [...document.querySelectorAll('#map circle')];
  const texts = dots.map((dot) => dot.textContent.toLowerCase());
  highlight.addEventListener('input', () => {
    const wanted = highlight.value.trim().toLowerCase();
    let count = 0;
    dots.forEach((dot, at) => {
      const fits = texts[at].includes(wanted);
      dot.classList.toggle('faint', !fits);
      if (fits) count += 1;
    });
    document.getElementById('map-found').textContent = wanted === '' ? '' : `${count} of ${dots.length} dots`;
  });
}
