// What every page has at its head: dark or light, the language.
(() => {
  'use strict';
  const keep = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`; };

  document.getElementById('theme-button').addEventListener('click', () => {
    const root = document.documentElement, system = matchMedia('(prefers-color-scheme: dark)').matches;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : system;
    root.dataset.theme = dark ? 'light' : 'dark';
    keep('desk_theme', root.dataset.theme);
  });
  document.getElementById('language').addEventListener('change', event => {
    keep('desk_language', event.target.value);
    location.reload();
  });
})();
