/** Invented people and goods of the demo shop: none of them exists. */

/** High-value users of the story, in the order in which they go quiet. Their last names are theirs alone. */
export const castNames = [
  'maya.okafor',
  'jonas.lindqvist',
  'priya.raman',
  'tomas.kovacic',
  'aiko.tanabe',
  'lucia.ferrante',
  'samuel.abebe',
  'ingrid.solberg',
  'rafael.monteiro',
  'noor.elmasri',
  'hanna.virtala',
  'diego.quiroga',
  'freya.hollis',
  'kwame.asante',
  'elif.demirkan',
  'oscar.bellweather',
  'mei.linhua',
  'anton.brezina',
  'sofia.papadaki',
  'theo.marchetti',
  'zara.whitlock',
  'matteo.rossano',
  'leila.farzan',
  'viktor.hruska',
] as const

export const firstNames = [
  ...['ada', 'ben', 'cleo', 'dara', 'emil', 'fay', 'gus', 'hedy', 'ivo', 'june'],
  ...['kai', 'lena', 'milo', 'nina', 'otis', 'pia', 'quinn', 'rosa', 'sven', 'tess'],
  ...['uma', 'vera', 'wes', 'xenia', 'yara', 'zeno', 'alma', 'boris', 'carla', 'dov'],
  ...['edda', 'finn', 'greta', 'hugo', 'iris', 'jan', 'kira', 'luca', 'mona', 'nils'],
] as const

export const lastNames = [
  ...['amber', 'birch', 'cobble', 'drift', 'ember', 'fern', 'gale', 'hazel', 'ivory', 'juniper'],
  ...[
    'kestrel',
    'larch',
    'meadow',
    'nettle',
    'ochre',
    'pebble',
    'quill',
    'reed',
    'sorrel',
    'thistle',
  ],
  ...['umber', 'vale', 'willow', 'yarrow', 'zephyr', 'alder', 'brook', 'clover', 'dune', 'elm'],
  ...['flint', 'grove', 'heath', 'islet', 'jasper', 'knoll', 'lark', 'moss', 'north', 'oak'],
] as const

export interface Product {
  readonly id: string
  readonly name: string
  readonly category: string
  readonly price: number
}

const goods: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  Kitchen: [
    ['Hearth Kettle', 64],
    ['Copper Pour-Over', 38.5],
    ['Walnut Board', 29.9],
    ['Stoneware Set', 89],
  ],
  Garden: [
    ['Herb Planter', 24.5],
    ['Cedar Bird House', 33],
    ['Long-Neck Watering Can', 27.9],
  ],
  Living: [
    ['Linen Throw', 72],
    ['Reading Lamp', 94.5],
    ['Beeswax Candles', 18.9],
    ['Wool Cushion', 42],
  ],
  Outdoor: [
    ['Canvas Day Pack', 118],
    ['Enamel Mug', 14.5],
    ['Picnic Blanket', 49.9],
  ],
}

export const products: readonly Product[] = Object.entries(goods).flatMap(([category, entries]) =>
  entries.map(([name, price]) => {
    const id = name.toLowerCase().replaceAll(' ', '-')
    return { id, name, category, price }
  }),
)
