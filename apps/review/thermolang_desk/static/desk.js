// The operator's page. It shows one item at a time; every verdict carries the id and the version of what was shown.
(() => {
  'use strict';
  const POLL = 2000;          // milliseconds between two looks at the change counter
  const LIST_EVERY = 5000;    // the list is not read more often than this by itself
  const RENEW = 30000;        // a lease lasts three times as long
  const LEAST_SHOWN = 400;    // an item must have been on the screen so long before it is decided
  const UNDO = 60000;
  const PAGE = 50;
  const GONE = ['refused', 'not_found'];   // codes that say that the item is not there
  const LATER = ['network', 'database'];   // codes of what may work soon
  const FILTERS = ['text', 'task', 'status', 'band', 'reason_code', 'order', 'flagged'];

  const $ = id => document.getElementById(id);
  const said = JSON.parse(document.body.dataset.said);
  const user = document.body.dataset.user;
  const filters = $('filters');
  const html = globalThis.trustedTypes
    ? trustedTypes.createPolicy('desk', {createHTML: text => text}) : {createHTML: text => text};

  let current = null;     // {id, version, mine, status, answer}; the form's data-ready names the one that may be decided
  const decided = [];     // the verdicts since the page was opened, the last one at the end: {id, version, at}
  let busy = false;       // a request is on its way that will change what is shown
  let changes = -1;
  let offset = 0;
  let listedAt = 0;
  let listing = null;     // the last question for the list; earlier ones end with it
  let overdue = false;    // something is not shown yet: it has changed, or asking for it failed

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  const put = (element, text) => { element.innerHTML = html.createHTML(text); };

  // ---- Asking the desk

  class Failure extends Error {
    constructor(code, text) { super(text); this.code = code; }
  }

  async function ask(method, path, body, options = {}) {
    let answer;
    try {
      answer = await fetch(`/api/v1/${path}`, {
        method, ...options,
        headers: method === 'GET' ? {} : {'content-type': 'application/json'},
        body: method === 'GET' ? undefined : JSON.stringify(body ?? {}),
      });
    } catch {
      offline(true);
      throw new Failure('network', said.not_decided);
    }
    if (answer.status === 401) {  // the session is over; what was typed is in this browser
      location.reload();
      throw new Failure('login', '');
    }
    const found = await answer.json().catch(() => ({error: {code: 'network', text: said.not_decided}}));
    if (answer.ok) {
      offline(false);
      return found;
    }
    throw new Failure(found.error.code, found.error.text);
  }

  function offline(is) {
    const banner = $('connection');
    if (banner.hidden !== is) return;
    banner.hidden = !is;
    banner.textContent = is ? said.offline : '';
    if (!is) sendDrafts();
  }

  // ---- Messages

  let fading = 0;

  function toast(text, {kind = 'info', undo = false} = {}) {
    const box = $('toast');
    box.firstElementChild.textContent = text;
    box.className = kind;
    box.hidden = false;
    $('undo').hidden = !undo;
    clearTimeout(fading);
    fading = setTimeout(() => { box.hidden = true; }, undo ? UNDO / 6 : 8000);
  }

  // ---- Filters, list and address

  function chosen() {
    const values = {};
    for (const name of FILTERS) {
      const field = filters.elements[name];
      values[name] = field.type === 'checkbox' ? (field.checked ? 'true' : '') : field.value;
    }
    return values;
  }

  function nextFilter() {
    const {text, task, band, reason_code, flagged} = chosen();
    return {text, task: task || null, band: band || null, reason_code: reason_code || null, flagged: Boolean(flagged)};
  }

  function remember(push) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(chosen())) {
      const standard = {status: 'pending', order: 'confidence'}[name] ?? '';
      if (value !== standard) query.set(name, value);
    }
    if (offset) query.set('offset', offset);
    if (current) query.set('item', current.id);
    const address = query.size ? `/?${query}` : '/';
    if (address !== location.pathname + location.search) history[push ? 'pushState' : 'replaceState'](null, '', address);
  }

  let reading = false;  // the address is read: nobody asked for other items

  function fromAddress() {
    const query = new URLSearchParams(location.search);
    reading = true;
    filters.reset();
    reading = false;
    for (const name of FILTERS) {
      const field = filters.elements[name], value = query.get(name);
      if (value === null) continue;
      if (field.type === 'checkbox') field.checked = value === 'true';
      else {
        if (name === 'task' && ![...field.options].some(option => option.value === value)) field.add(new Option(value, value));
        field.value = value;
      }
    }
    offset = Math.max(0, Number.parseInt(query.get('offset') ?? '0', 10) || 0);
  }

  function list() {
    const mine = readList(() => mine === listing ? null : listing);
    listing = mine;
    return mine;
  }

  async function readList(instead) {
    const query = new URLSearchParams({view: 'true', limit: PAGE, offset});
    for (const [name, value] of Object.entries(chosen())) if (value) query.set(name, value);
    const found = await ask('GET', `items?${query}`);
    if (instead()) return instead();
    listedAt = performance.now();
    const focused = document.activeElement?.closest?.('tr')?.dataset.id;
    put($('rows'), found.html);
    const shown = $('rows').children.length, last = offset + shown;
    const total = (found.more ? said.more : '') + found.total.toLocaleString();
    $('range').textContent = shown ? fill(said.shown, {from: offset + 1, to: last, total}) : said.none;
    $('previous-page').disabled = offset === 0;
    $('next-page').disabled = last >= found.total && !found.more;
    mark();
    if (focused) row(focused)?.focus();
  }

  const row = id => document.querySelector(`#rows tr[data-id="${CSS.escape(id)}"]`);

  function mark() {
    let stop = null;
    for (const each of $('rows').children) {
      const selected = each.dataset.id === current?.id;
      each.setAttribute('aria-selected', String(selected));
      each.tabIndex = -1;
      if (selected) stop = each;
    }
    // One stop for the Tab key, however long the list is.
    stop ??= $('rows').firstElementChild;
    if (stop) stop.tabIndex = 0;
  }

  async function counts() {
    const found = await ask('GET', 'stats');
    for (const place of document.querySelectorAll('[data-count]')) {
      place.textContent = found[place.dataset.count].toLocaleString();
    }
    return found;
  }

  async function tasks() {
    const found = (await ask('GET', 'tasks')).tasks, field = filters.elements.task;
    const known = new Set([...field.options].map(option => option.value));
    for (const name of found) if (name && !known.has(name)) field.add(new Option(name, name));
  }

  async function poll() {
    const now = (await ask('GET', 'changes')).changes;
    overdue ||= now !== changes;
    // What happens while the list is on its way is news for the next look.
    changes = now;
    if (!overdue || performance.now() - listedAt < LIST_EVERY) return;
    overdue = false;
    await Promise.all([counts(), list()]);
    if (!current && !busy) await begin();
  }

  // ---- The item

  function show(lease, {push = false, focus = true} = {}) {
    if (!lease) return void quietly(showNothing)();
    const draft = newer(lease.item.id, lease.draft);
    current = {...lease.item, mine: lease.mine, answer: lease.answer};
    $('form').dataset.ready = '';
    put($('detail'), lease.html);
    $('form').hidden = !lease.mine && draft.correction === null && !draft.note;
    $('verdicts').hidden = !lease.mine;
    $('after').hidden = lease.mine;
    for (const button of [$('reopen'), $('probe')]) if (button) button.hidden = lease.item.status === 'pending';
    $('probe')?.setAttribute('aria-pressed', String(lease.probe));
    $('correction').value = draft.correction ?? lease.answer;
    $('note').value = draft.note;
    edit(draft.correction !== null, false);
    reasons(false);
    $('detail').scrollTo(0, 0);
    mark();
    row(current.id)?.scrollIntoView({block: 'nearest'});
    remember(push);
    if (focus) $('detail').focus({preventScroll: true});
    const shown = current;
    const release = () => { if (current === shown) $('form').dataset.ready = shown.id; };
    // It counts as shown from the next picture on.
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(release, LEAST_SHOWN)));
  }

  async function showNothing() {
    current = null;
    $('form').hidden = true;
    $('after').hidden = true;
    remember(false);
    mark();
    const found = await counts();
    if (current) return;  // something has come meanwhile
    const message = document.createElement('div');
    message.className = 'message';
    const title = document.createElement('h2'), hint = document.createElement('p');
    title.textContent = found.pending ? said.rest : said.empty;
    hint.textContent = found.pending ? fill(said.rest_hint, found) : said.empty_hint;
    message.append(title, hint);
    $('detail').replaceChildren(message);
  }

  let aim = null;    // the item that was asked for and is not there yet
  let later = null;  // what to do when the present request is through: the last wish counts

  // One thing at a time: a key that comes while the next item is on its way is not meant for it.
  async function alone(work) {
    if (busy) return;
    busy = true;
    document.body.classList.add('busy');
    try {
      await work();
    } catch (failure) {
      failed(failure);
      if (GONE.includes(failure.code)) remember(false);
      if (failure.message) toast(failure.message, {kind: 'error'});
      if (failure.code === 'conflict' && current) show((await ask('POST', `items/${current.id}/open`)).lease);
    } finally {
      busy = false;
      document.body.classList.remove('busy');
    }
    const wish = later;
    later = null;
    if (wish) await wish();
    else aim = null;
  }

  // To look at something else is never lost, unlike a verdict.
  async function look(work) {
    if (!busy) return alone(work);
    later = () => alone(work);
  }

  const take = () => look(async () => show((await ask('POST', 'next', nextFilter())).lease));

  function open(id, options) {
    aim = id;
    return look(async () => {
      if (current?.mine && current.id !== id) ask('POST', `items/${current.id}/release`).catch(() => {});
      show((await ask('POST', `items/${id}/open`)).lease, options);
    });
  }

  function ready() {
    if (!current?.mine || busy) return false;
    if ($('form').dataset.ready === current.id) return true;
    toast(said.too_fast, {kind: 'warning'});
    return false;
  }

  const wanted = () => ({next: nextFilter()});

  function decide(action, extra = {}) {
    if (!ready()) return;
    const {id, version} = current;
    alone(async () => {
      const body = {action, version, note: $('note').value.trim(), ...extra, ...wanted()};
      const found = await ask('POST', `items/${id}/decide`, body);
      decided.push({id, version: found.item.version, at: performance.now()});
      forget(id);
      toast(fill(said.done, {status: said[found.item.status]}), {undo: true});
      row(id)?.remove();
      show(found.lease);
    });
  }

  function leave(kind) {
    if (!ready()) return;
    const {id, version} = current;
    alone(async () => {
      const found = await ask('POST', `items/${id}/leave`, {kind, version, note: $('note').value.trim(), ...wanted()});
      if (kind === 'cannot_tell') forget(id);
      toast(kind === 'cannot_tell' ? said.passed : said.skipped);
      show(found.lease);
    });
  }

  function undo() {
    const last = decided.at(-1);
    if (!last || performance.now() - last.at > UNDO) return toast(said.nothing_to_undo, {kind: 'warning'});
    const {id, version} = last;
    alone(async () => {
      if (current?.mine) ask('POST', `items/${current.id}/release`).catch(() => {});
      const found = await ask('POST', `items/${id}/undo`, {version});
      decided.pop();
      show(found.lease);
      toast(said.undone);
    });
  }

  const reopen = () => current && !current.mine && alone(async () => {
    await ask('POST', `items/${current.id}/reopen`, {version: current.version});
    show((await ask('POST', `items/${current.id}/open`)).lease);
    toast(said.reopened);
  });

  const probe = () => current && alone(async () => {
    const is = $('probe').getAttribute('aria-pressed') === 'true';
    const found = await ask('POST', `items/${current.id}/probe`, {probe: !is});
    $('probe').setAttribute('aria-pressed', String(found.probe));
    toast(found.probe ? said.probe : said.no_probe);
  });

  function save() {
    const text = $('correction').value.trim();
    if (!text) return toast(said.need_correction, {kind: 'warning'});
    if (text === current?.answer.trim()) return toast(said.unchanged, {kind: 'warning'});
    decide('correct', {corrected_answer: text});
  }

  function edit(opened, focus = true) {
    $('editor').hidden = !opened;
    if (opened && focus) {
      $('correction').focus();
      $('correction').setSelectionRange($('correction').value.length, $('correction').value.length);
    }
  }

  // What is marked in the passage: most right answers stand there word for word.
  function marked() {
    const passage = document.querySelector('#detail .passage'), found = getSelection();
    return passage?.contains(found.anchorNode) && passage.contains(found.focusNode) ? String(found).trim() : '';
  }

  function correct() {
    const box = $('correction'), text = marked(), fresh = $('editor').hidden;
    if (text) box.setRangeText(text, fresh ? 0 : box.selectionStart, fresh ? box.value.length : box.selectionEnd);
    edit(true);
    // The box takes the place of half the passage: the question moves up, unless one has read on further down.
    const detail = $('detail'), question = detail.querySelector('.question');
    detail.scrollBy(0, Math.max(0, question.getBoundingClientRect().top - detail.getBoundingClientRect().top - 6));
    typed();
  }

  function reasons(opened) {
    $('reasons').hidden = !opened;
    if (opened) $('reasons').querySelector('button').focus();
  }

  function cancel() {
    if (!$('reasons').hidden) reasons(false);
    else if (!$('editor').hidden && document.activeElement === $('correction')) {
      edit(false);
      typed();
    }
    $('detail').focus({preventScroll: true});
  }

  function plain() {
    const button = $('plain');
    if (!button) return;
    const written = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(written));
    document.querySelector('#detail .answer.markdown').hidden = written;
    document.querySelector('#detail .answer.text').hidden = !written;
  }

  async function renew() {
    if (!current?.mine || busy || document.hidden) return;
    const id = current.id;
    const {held} = await ask('POST', `items/${id}/renew`);
    if (held || current?.id !== id) return;
    toast(said.lost, {kind: 'warning'});
    await open(id);
  }

  // ---- Drafts: first in this browser, then on the desk; here they stay until the desk has them

  const place = id => `desk:draft:${user}:${id}`;
  let sending = 0;

  function stored(id) {
    try {
      return JSON.parse(localStorage.getItem(place(id)));
    } catch {
      return null;
    }
  }

  const newer = (id, draft) => stored(id) ?? draft;

  function typed() {
    if (!current) return;
    const draft = {correction: $('editor').hidden ? null : $('correction').value, note: $('note').value};
    localStorage.setItem(place(current.id), JSON.stringify(draft));
    clearTimeout(sending);
    sending = setTimeout(sendDrafts, 500);
  }

  function forget(id) {
    clearTimeout(sending);
    localStorage.removeItem(place(id));
  }

  async function sendDrafts() {
    const beginning = place('');
    for (const key of Object.keys(localStorage).filter(name => name.startsWith(beginning))) {
      const text = localStorage.getItem(key);
      try {
        await ask('PUT', `items/${key.slice(beginning.length)}/draft`, JSON.parse(text), {keepalive: text.length < 50000});
      } catch (failure) {
        if (LATER.includes(failure.code)) {
          clearTimeout(sending);
          sending = setTimeout(sendDrafts, POLL);
          return;
        }
        // Where only the session is over, what was typed is for the next one.
        if (!GONE.includes(failure.code)) continue;
      }
      // More may have been typed meanwhile.
      if (localStorage.getItem(key) === text) localStorage.removeItem(key);
    }
  }

  // ---- Keys and clicks

  function move(step) {
    const all = [...$('rows').children];
    // Two steps in a row are two rows, also while the first one is on its way.
    const now = all.findIndex(each => each.dataset.id === (aim ?? current?.id));
    const to = all[now < 0 ? 0 : Math.min(Math.max(now + step, 0), all.length - 1)];
    if (to && to.dataset.id !== (aim ?? current?.id)) open(to.dataset.id, {push: true});
  }

  const rejecting = () => !$('reasons').hidden;
  const help = () => ($('help').open ? $('help').close() : $('help').showModal());
  const keys = {
    a: () => decide('accept'),
    c: () => ready() && correct(),
    r: () => (rejecting() ? decide('reject') : ready() && reasons(true)),
    t: () => leave('cannot_tell'),
    s: () => leave('skip'),
    u: undo,
    n: () => (current?.mine ? leave('skip') : take()),
    j: () => move(1),
    k: () => move(-1),
    e: () => $('note').focus(),
    m: plain,
    '/': () => filters.elements.text.focus(),
    '?': help,
    Escape: cancel,
  };

  document.addEventListener('keydown', event => {
    // A key that is held down says nothing about the items that it runs over.
    if (event.repeat || event.isComposing) {
      if (event.repeat && event.target.matches('button')) event.preventDefault();
      return;
    }
    const typing = event.target.matches('input:not([type=checkbox]), textarea, select');
    if (typing) {
      if (event.key === 'Escape') cancel();
      else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && event.target === $('correction')) save();
      else return;
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ($('help').open && event.key !== '?') return;
    if (event.key === 'Enter' && event.target.matches('tr[data-id]')) return open(event.target.dataset.id, {push: true});
    const reason = rejecting() && /^[1-9]$/.test(event.key) && $('reasons').querySelectorAll('[data-code]')[event.key - 1];
    const work = reason ? () => decide('reject', {reason_code: reason.dataset.code}) : keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!work) return;
    event.preventDefault();
    work();
  });

  const clicks = {
    accept: keys.a, correct: keys.c, reject: keys.r, cannot_tell: keys.t, skip: keys.s, save, cancel, undo, reopen, probe,
    next: take, plain, 'help-button': help, 'help-close': help,
    'previous-page': () => turn(-PAGE),
    'next-page': () => turn(PAGE),
    logout: () => alone(async () => {
      await sendDrafts();
      await ask('POST', 'logout');
      location.replace('/');
    }),
  };

  document.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button?.dataset.code !== undefined) return decide('reject', {reason_code: button.dataset.code});
    if (button) return clicks[button.id]?.();
    const clicked = event.target.closest('#rows tr');
    if (clicked && clicked.dataset.id !== current?.id) open(clicked.dataset.id, {push: true});
  });

  function turn(step) {
    offset = Math.max(0, offset + step);
    remember(true);
    quietly(list)().then(() => $('scroller').scrollTo(0, 0));
  }

  async function filtered() {
    offset = 0;
    remember(true);
    await list();
    const shown = chosen();
    const first = $('rows').firstElementChild?.dataset.id;
    if (shown.status === 'pending') await (current?.mine && row(current.id) ? null : take());
    else if (first) await open(first);
  }

  let waiting = 0;
  filters.addEventListener('input', event => {
    clearTimeout(waiting);
    waiting = setTimeout(quietly(filtered), event.target.name === 'text' ? 250 : 0);
  });
  filters.addEventListener('reset', () => { if (!reading) setTimeout(quietly(filtered)); });
  filters.addEventListener('submit', event => event.preventDefault());
  $('form').addEventListener('submit', event => event.preventDefault());
  $('form').addEventListener('input', typed);

  async function start() {
    fromAddress();
    await sendDrafts();
    changes = (await counts()).changes;
    await Promise.all([tasks(), list()]);
    await begin();
  }

  // What the address asks for; otherwise the next item, or the first of those that are looked through.
  function begin() {
    const item = new URLSearchParams(location.search).get('item');
    if (item && /^[0-9a-f]{32}$/.test(item)) return open(item);
    if (chosen().status === 'pending') return take();
    const first = $('rows').firstElementChild?.dataset.id;
    return first && open(first);
  }

  function failed(failure) {
    if (!(failure instanceof Failure)) throw failure;
    overdue = true;
  }

  const quietly = work => () => work().catch(failed);
  addEventListener('popstate', quietly(start));
  setInterval(quietly(poll), POLL);
  setInterval(quietly(renew), RENEW);
  quietly(start)();
})();
