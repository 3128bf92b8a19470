// Try it: a question goes to the model, and its answer comes back piece by piece, as server-sent events.
(() => {
  'use strict';
  const $ = id => document.getElementById(id);
  const html = globalThis.trustedTypes
    ? trustedTypes.createPolicy('desk', {createHTML: text => text}) : {createHTML: text => text};
  const form = $('ask'), message = $('message'), said = $('said'), result = $('detail');
  const KEPT = 'try-question';

  let asking = null;   // what stops the question that is being answered
  let answered = '';   // id of the answer that is shown

  function say(text) {
    message.hidden = !text;
    message.textContent = text;
  }

  function post(path, body, signal) {
    return fetch(`/api/v1/${path}`, {
      method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body), signal,
    });
  }

  // Whether a request went well; if not, the page says why.
  async function fine(answer) {
    if (answer.status === 401) location.reload();
    else if (!answer.ok) say((await answer.json()).error.text);
    return answer.ok;
  }

  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let {value, done} = await reader.read(); !done; {value, done} = await reader.read()) {
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        const found = part.match(/^event: (\w+)\ndata: (.*)$/);
        if (found) yield [found[1], JSON.parse(found[2])];
      }
    }
  }

  const came = {
    piece: ({text}) => { said.textContent += text; },
    failed: ({text}) => say(text),
    done: ({id, html: text}) => {
      answered = id;
      said.hidden = true;
      result.innerHTML = html.createHTML(text);
      $('after').hidden = false;
      $('send').disabled = false;
      result.focus({preventScroll: true});
    },
  };

  function busy(is) {
    $('go').disabled = is;
    $('stop').hidden = !is;
    said.setAttribute('aria-busy', String(is));
    if (is) {
      say('');
      said.textContent = '';
      result.replaceChildren();
      $('sent').textContent = '';
      $('after').hidden = true;
      said.hidden = false;
    }
  }

  async function ask() {
    if (asking || !form.reportValidity()) return;
    asking = new AbortController();
    busy(true);
    const {question, mode} = Object.fromEntries(new FormData(form));
    try {
      const answer = await post('try', {question, mode}, asking.signal);
      if (!await fine(answer)) return;
      let last = '';
      for await (const [kind, told] of events(answer.body)) came[last = kind](told);
      if (last !== 'done' && last !== 'failed') say(message.dataset.broken);
    } catch (error) {
      say(error.name === 'AbortError' ? message.dataset.stopped : message.dataset.broken);
    } finally {
      asking = null;
      busy(false);
    }
  }

  async function send() {
    $('send').disabled = true;
    say('');
    try {
      const answer = await post(`try/${answered}/queue`, {});
      if (!await fine(answer)) return;
      const link = $('sent').appendChild(document.createElement('a'));
      link.href = `/?${new URLSearchParams({item: (await answer.json()).id})}`;
      link.textContent = $('sent').dataset.done;
    } catch {
      say(message.dataset.down);
    } finally {
      $('send').disabled = Boolean($('sent').firstChild);
    }
  }

  // The answer as Markdown or as it was written.
  function plain(button) {
    const written = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(written));
    result.querySelector('.answer.markdown').hidden = written;
    result.querySelector('.answer.text').hidden = !written;
  }

  async function logout() {
    if (await fine(await post('logout', {}))) location.replace('/');
  }

  const clicks = {send, plain, logout, stop: () => asking?.abort()};

  document.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button) clicks[button.id]?.(button);
  });
  form.addEventListener('submit', event => {
    event.preventDefault();
    ask();
  });
  form.elements.question.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat) ask();
  });

  // What was typed survives a reload and the end of the session.
  form.elements.question.value = sessionStorage.getItem(KEPT) ?? '';
  form.elements.question.addEventListener('input', event => sessionStorage.setItem(KEPT, event.target.value));
})();
