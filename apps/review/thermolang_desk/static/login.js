// The login: the token comes back in a cookie that no script can read.
(() => {
  'use strict';
  const form = document.getElementById('login');
  const wrong = document.getElementById('wrong');

  function enter() {
    // The address is still that of the filter and the item that were asked for, or a step of the provider's login.
    if (location.pathname.startsWith('/oidc/')) location.replace(form.dataset.to);
    else location.reload();
  }

  form.addEventListener('submit', async event => {
    event.preventDefault();
    const body = JSON.stringify({name: form.elements.name.value, password: form.elements.password.value});
    try {
      const answer = await fetch('/api/v1/login', {method: 'POST', headers: {'content-type': 'application/json'}, body});
      if (answer.ok) return enter();
      wrong.textContent = (await answer.json()).error.text;
    } catch {
      wrong.textContent = wrong.dataset.down;
    }
    form.elements.password.select();
  });

  // Before, the browser itself would send the form.
  form.querySelector('button').disabled = false;

  // Who follows a link from elsewhere arrives without the cookie, although logged in.
  fetch('/api/v1/me').then(answer => { if (answer.ok) enter(); }, () => {});
})();
