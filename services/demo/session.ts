/** What happens in a visit to the demo shop: pages, products, a basket, an order, and now and then a refund. */
import type { Click } from '../log/record.ts'
import { between, chanceOf, pick, wholeBetween } from './chance.ts'
import { type Product, products } from './names.ts'
import type { Persona } from './people.ts'
import type { Visit } from './visits.ts'

const dayMs = 86_400_000
export const currency = 'EUR'
const site = 'https://demo-shop.example'
const context = JSON.stringify({ library: { name: 'ebb-demo' }, simulated: true })

/** Ends with the last refund that a visit can bring. */
export const visitMsMax = 4 * dayMs
const refundShare = 0.06
const receiveDelayMsMax = 3_000

interface Step {
  readonly type: 'page' | 'track'
  readonly name: string
  readonly path: string
  readonly properties?: Readonly<Record<string, unknown>>
  readonly value?: number
  readonly orderId?: string
}

/** How many things one looks at, and buys when one buys: at least, at most. */
const looks: Readonly<Record<Persona, readonly [number, number]>> = {
  loyal: [4, 13],
  regular: [3, 9],
  browser: [2, 7],
  'one-timer': [0, 6],
}

const baskets: Readonly<Record<Persona, readonly [number, number]>> = {
  loyal: [1, 4],
  regular: [1, 2],
  browser: [1, 1],
  'one-timer': [1, 2],
}
/** With castOrderGapDays it keeps all of the cast among the top fifth of those who pay. */
const castBasket = [2, 5] as const

/** In order of time. They depend on the visit and the seed alone. */
export function clicksOf(seed: number, visit: Visit): Click[] {
  const { person, startMs, name } = visit
  const chance = chanceOf(seed, 'clicks', person.userId, name)
  const referrer = chance() < 0.3 ? 'https://search.example/' : null
  let timeMs = startMs
  const clicks = stepsOf(visit, chance).map((step, index) => {
    if (index > 0) timeMs += Math.round(between(chance, 4, 110) * 1_000)
    const delayMs = Math.round(chance() ** 3 * receiveDelayMsMax)
    return clickOf(visit, step, `${index}`, timeMs, delayMs, index === 0 ? referrer : null)
  })
  const order = clicks.find(click => click.name === 'Order Completed')
  if (!order || !(chance() < refundShare)) return clicks
  const refund: Step = {
    type: 'track',
    name: 'Order Refunded',
    path: '/account/orders',
    ...refundOf(order, chance),
  }
  const refundMs = order.timestampMs + Math.round(between(chance, 0.8, 3.5) * dayMs)
  return [...clicks, clickOf(visit, refund, 'refund', refundMs, 0, null)]
}

function clickOf(
  { person, name }: Visit,
  step: Step,
  part: string,
  timestampMs: number,
  delayMs: number,
  referrer: string | null,
): Click {
  return {
    kind: 'click',
    eventId: `demo:${person.userId}:${name}:${part}`,
    userId: person.userId,
    anonymousId: null,
    type: step.type,
    name: step.name,
    timestampMs,
    receivedAtMs: timestampMs + delayMs,
    url: site + step.path,
    referrer,
    value: step.value ?? null,
    currency: step.value === undefined ? null : currency,
    orderId: step.orderId ?? null,
    properties: step.properties ? JSON.stringify(step.properties) : '',
    context,
    imported: false,
  }
}

function stepsOf(visit: Visit, chance: () => number): Step[] {
  const { person, orders } = visit
  const [least, most] = looks[person.persona]
  const steps: Step[] = [{ type: 'page', name: 'Home', path: '/' }]
  for (let left = wholeBetween(chance, least, most); left > 0; left--) steps.push(look(chance))
  if (!orders) {
    if (chance() < 0.15) steps.push(track('Product Added', pick(chance, products)), cart)
    return steps
  }
  const size = wholeBetween(
    chance,
    ...(person.cast === null ? baskets[person.persona] : castBasket),
  )
  const basket = Array.from({ length: size }, () => pick(chance, products))
  return [
    ...steps,
    ...basket.map(product => track('Product Added', product)),
    cart,
    { type: 'track', name: 'Checkout Started', path: '/checkout' },
    orderOf(visit, basket),
  ]
}

const cart: Step = { type: 'page', name: 'Cart', path: '/cart' }

function look(chance: () => number): Step {
  const product = pick(chance, products)
  const share = chance()
  const { category } = product
  if (share < 0.2)
    return {
      type: 'page',
      name: 'Category',
      path: `/${category.toLowerCase()}`,
      properties: { category },
    }
  if (share < 0.3) {
    const query = product.name.split(' ').at(-1)!.toLowerCase()
    return { type: 'track', name: 'Products Searched', path: '/search', properties: { query } }
  }
  return track('Product Viewed', product)
}

function track(name: string, product: Product): Step {
  const { id, category, price } = product
  return {
    type: 'track',
    name,
    path: `/products/${id}`,
    // The price stands there as a property alone: only an order is money.
    properties: { product_id: id, name: product.name, category, price, currency },
  }
}

function orderOf({ person, name }: Visit, basket: readonly Product[]): Step {
  const orderId = `DEMO-${person.userId}-${name}`
  const cents = basket.reduce((sum, { price }) => sum + Math.round(price * 100), 0)
  const revenue = cents / 100
  const properties = {
    order_id: orderId,
    revenue,
    currency,
    products: basket.map(({ id, price }) => ({ product_id: id, price, quantity: 1 })),
  }
  const path = '/checkout/thanks'
  return { type: 'track', name: 'Order Completed', path, properties, value: revenue, orderId }
}

/** Half the money back, or all of it. */
function refundOf(
  order: Click,
  chance: () => number,
): Pick<Step, 'value' | 'orderId' | 'properties'> {
  const cents = Math.round((order.value! * 100) / (chance() < 0.5 ? 1 : 2))
  const value = cents / 100
  const properties = { order_id: order.orderId, revenue: value, currency }
  return { value, orderId: order.orderId!, properties }
}
