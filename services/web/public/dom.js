/** Small hands for the page: elements, lists kept by key, numbers that move. Nothing is parsed from text. */

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes]
 * @param {...(Node | string)} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

/** @param {string} id */
export function at(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id))
}

/** Writes only what differs, so that selections and screen readers are left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}

const calm = matchMedia('(prefers-reduced-motion: reduce)')
const moving = new WeakMap()
const durationMs = 600

/** Lets the number in `element` run from what it shows to `value`. */
export function count(element, value, format) {
  const state = moving.get(element)
  if (state?.to === value) return
  if (state === undefined || calm.matches || document.hidden) {
    moving.set(element, { shown: value, to: value, format })
    return say(element, format(value))
  }
  if (state.frame) cancelAnimationFrame(state.frame)
  const from = state.shown
  const startMs = performance.now()
  const next = { shown: from, to: value, frame: 0 }
  moving.set(element, next)
  const step = nowMs => {
    const progress = Math.min(1, Math.max(0, (nowMs - startMs) / durationMs))
    next.shown = from + (value - from) * (1 - (1 - progress) ** 3)
    say(element, format(progress === 1 ? value : next.shown))
    next.frame = progress < 1 ? requestAnimationFrame(step) : 0
  }
  next.frame = requestAnimationFrame(step)
}

/** A short glow on what has changed. */
export function glow(element, name = 'moved') {
  element.classList.remove(name)
  requestAnimationFrame(() => element.classList.add(name))
}

const rowsOf = new WeakMap()

/**
 * Keeps the children of `list` equal to `items`, one element per key: made once, updated after, moved when
 * the order changes. Elements that stay glide to their new place.
 */
export function keep(list, items, { key, make, update }) {
  const old = rowsOf.get(list) ?? new Map()
  const tops = calm.matches ? null : new Map([...old.values()].map(row => [row, row.offsetTop]))
  const rows = new Map()
  for (const item of items) {
    const row = old.get(key(item)) ?? make(item)
    update(row, item)
    rows.set(key(item), row)
  }
  for (const [name, row] of old) if (!rows.has(name)) row.remove()
  let place = list.firstElementChild
  for (const row of rows.values()) {
    if (row === place) place = place.nextElementSibling
    else list.insertBefore(row, place)
  }
  rowsOf.set(list, rows)
  if (tops) for (const row of rows.values()) glide(row, tops.get(row))
}

function glide(row, oldTop) {
  const by = oldTop === undefined ? 0 : oldTop - row.offsetTop
  if (by === 0) return
  row.animate([{ transform: `translateY(${by}px)` }, { transform: 'none' }], {
    duration: 450,
    easing: 'cubic-bezier(0.2, 0.7, 0.2, 1)',
  })
}
