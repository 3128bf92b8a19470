// Selection and shortcuts. The selected row is the one whose item stands in the detail panel.
(() => {
  const find = selector => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll('#tl-queue tr[data-id]')];
  const shown = () => find('#tl-detail [data-item]')?.dataset.item ?? '';
  let last = '';
  let target = null;  // the row that was asked for, until it is shown: j j must move by two

  function edit(open) {
    find('#tl-side').classList.toggle('tl-editing', open);
    if (open) {
      const box = find('#tl-correction textarea');
      box?.focus();
      box?.select();
    }
  }

  let said = '';

  function say() {
    const toast = find('#tl-toasts [data-toast]');
    if (!toast || toast.dataset.toast === said) return;
    said = toast.dataset.toast;
    for (const animation of toast.getAnimations()) {
      animation.cancel();
      animation.play();
    }
  }

  function mark() {
    say();
    const item = shown();
    for (const row of rows()) {
      const selected = String(row.dataset.id === item);
      if (row.getAttribute('aria-selected') !== selected) row.setAttribute('aria-selected', selected);
    }
    if (item === target) target = null;
    if (item === last) return;
    last = item;
    edit(false);
    find('#tl-detail')?.scrollTo(0, 0);
    find('#tl-queue tr[aria-selected="true"]')?.scrollIntoView({block: 'nearest'});
  }

  function move(step) {
    const all = rows();
    const now = all.findIndex(row => row.dataset.id === (target ?? shown()));
    const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
    next?.click();
    next?.scrollIntoView({block: 'nearest'});
  }

  const shortcuts = {
    a: () => find('#tl-accept')?.click(),
    c: () => find('#tl-correct')?.click(),
    r: () => find('#tl-reject')?.click(),
    j: () => move(1),
    k: () => move(-1),
  };

  function typed(event) {
    if (event.key === 'Escape') {
      edit(false);
      document.activeElement?.blur();
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      find('#tl-save')?.click();
    }
  }

  document.addEventListener('keydown', event => {
    if (event.isComposing) return;
    if (event.target.closest('input, textarea, select, [contenteditable="true"]')) return typed(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter' && event.target.matches('tr[data-id]')) return event.target.click();
    const action = shortcuts[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.addEventListener('click', event => {
    target = event.target.closest('tr[data-id]')?.dataset.id ?? target;
    if (event.target.closest('#tl-correct')) edit(true);
    if (event.target.closest('#tl-cancel')) edit(false);
  });

  new MutationObserver(mark).observe(document, {
    childList: true, subtree: true, attributeFilter: ['data-item', 'data-id', 'data-toast', 'aria-selected'],
  });
})();
