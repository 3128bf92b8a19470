// The leads' pages: the slider of the threshold, settings, probes, disagreements, and plots as PNG.
(() => {
  'use strict';
  const $ = id => document.getElementById(id);
  const html = globalThis.trustedTypes
    ? trustedTypes.createPolicy('desk', {createHTML: text => text}) : {createHTML: text => text};

  async function ask(method, path, body) {
    const message = $('message');
    try {
      const answer = await fetch(`/api/v1/${path}`, method === 'GET' ? {} : {
        method, headers: {'content-type': 'application/json'}, body: JSON.stringify(body),
      });
      if (answer.status === 401) location.reload();
      const found = await answer.json();
      message.hidden = answer.ok;
      if (answer.ok) return found;
      message.textContent = found.error.text;
    } catch {
      message.hidden = false;
      message.textContent = message.dataset.down;
    }
    return null;
  }

  const shown = () => Object.fromEntries(new FormData($('choose')));

  let last = 0;

  async function preview() {
    const mine = ++last, {task, threshold, alpha} = shown();
    $('threshold-shown').textContent = Number(threshold).toFixed(2);
    const query = new URLSearchParams({threshold, alpha: Number(alpha) / 100});
    if (task) query.set('task', task);
    const found = await ask('GET', `lead/preview?${query}`);
    if (!found || mine !== last) return;
    $('preview').innerHTML = html.createHTML(found.html);
    query.delete('alpha');
    history.replaceState(null, '', `/lead?${query}`);
  }

  let waiting = 0;

  function chosen(event) {
    if (event.target.name === 'task') {
      location.href = event.target.value ? `/lead?${new URLSearchParams({task: event.target.value})}` : '/lead';
      return;
    }
    $('threshold-shown').textContent = Number(shown().threshold).toFixed(2);
    clearTimeout(waiting);
    waiting = setTimeout(preview, 120);
  }

  $('choose')?.addEventListener('input', chosen);

  function settings(row) {
    const value = name => row.querySelector(`[name=${name}]`).value;
    const share = name => Number(value(name)) / 100;
    return {
      task: row.dataset.task ?? value('task'), mode: value('mode'),
      blind_share: share('blind_share'), probe_share: share('probe_share'), double_share: share('double_share'),
    };
  }

  const work = {
    save: button => ask('PUT', 'lead/settings', settings(button.closest('tr'))),
    remove: button => ask('PUT', 'lead/settings', {task: button.closest('tr').dataset.task, mode: null}),
    unprobe: button => ask('POST', `items/${button.dataset.item}/probe`, {probe: false}),
    assign: button => ask('POST', `items/${button.dataset.item}/assign`, {operator: button.closest('tr').querySelector('select').value}),
    seen: button => ask('POST', `lead/alarms/${button.dataset.alarm}/seen`, {}),
    settle: button => ask('POST', `items/${button.dataset.item}/settle`, {verdict: button.dataset.verdict}),
  };

  // The style sheet does not follow a plot out of the page: what it says goes into the elements.
  function styled(plot) {
    const copy = plot.cloneNode(true), old = plot.querySelectorAll('*');
    copy.querySelectorAll('*').forEach((element, place) => {
      const style = getComputedStyle(old[place]);
      for (const name of ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-size', 'font-family']) {
        element.setAttribute(name, style.getPropertyValue(name));
      }
    });
    const ground = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    ground.setAttribute('width', '100%');
    ground.setAttribute('height', '100%');
    ground.setAttribute('fill', getComputedStyle(plot.closest('figure')).backgroundColor);
    copy.prepend(ground);
    return copy;
  }

  async function png(plot) {
    const {width, height} = plot.viewBox.baseVal, copy = styled(plot);
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    copy.setAttribute('width', 2 * width);
    copy.setAttribute('height', 2 * height);
    const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], {type: 'image/svg+xml'}));
    const image = new Image(), canvas = document.createElement('canvas');
    image.src = address;
    await image.decode();
    canvas.width = 2 * width;
    canvas.height = 2 * height;
    canvas.getContext('2d').drawImage(image, 0, 0);
    URL.revokeObjectURL(address);
    canvas.toBlob(blob => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      link.download = `${plot.dataset.name}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  document.addEventListener('click', async event => {
    const button = event.target.closest('button');
    if (button?.dataset.png !== undefined) return png(button.closest('figure').querySelector('svg.chart'));
    const wanted = button && work[button.dataset.work];
    if (wanted && await wanted(button)) location.reload();
  });
  $('logout')?.addEventListener('click', async () => {
    if (await ask('POST', 'logout', {})) location.replace('/');
  });
})();
