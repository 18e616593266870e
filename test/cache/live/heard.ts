/** What was heard of each user, by anybody: it only grows. Shared by all threads. */
export type Heard = Readonly<{
  buffer: SharedArrayBuffer
  /** Of one user, what grows: see `fields`. */
  at: (user: number, field: Field) => bigint
  grow: (user: number, field: Field, to: bigint) => void
  add: (user: number, field: Field, by: bigint) => void
}>

/**
 * `moved`: cents that came, or that left, by answers of payments. `seen`: the same, as reads showed
 * it. `name`: the number in the name. `at`: the time of the newest transaction.
 */
const fields = ['moved', 'seen', 'name', 'at'] as const
export type Field = (typeof fields)[number]

export function createHeard(users: number, shared?: SharedArrayBuffer): Heard {
  const buffer = shared ?? new SharedArrayBuffer(users * fields.length * 8)
  const cells = new BigInt64Array(buffer)
  const place = (user: number, field: Field): number => user * fields.length + fields.indexOf(field)
  return {
    buffer,
    at: (user, field) => Atomics.load(cells, place(user, field)),
    add: (user, field, by) => {
      Atomics.add(cells, place(user, field), by)
    },
    grow: (user, field, to) => {
      const cell = place(user, field)
      for (let now = Atomics.load(cells, cell); now < to;) {
        const found = Atomics.compareExchange(cells, cell, now, to)
        if (found === now) return
        now = found
      }
    },
  }
}
