/** The last 60 bits of an id are drawn for it alone: half of byte 8, and all of 9 to 15. */
const FIRST = 8
const LAST = 15
const LANES = LAST - FIRST + 1

/** How unlikely what was seen is, in standard deviations of what chance does, and where. */
export type Surprise = Readonly<{ sigmas: number; what: string }>

/**
 * Beyond this, it was not chance: one look goes so far once in some 10^11, and there are about 150
 * of them in an examination. Of 1,600,000 ids, a bit that is set in 50.3 % of them goes further.
 */
export const SIGMAS_MAX = 7

/** Counts bytes, and bytes against those of the id before, and says what is least like chance. */
export function createTally() {
  const own = new Float64Array(LANES * 256)
  const against = new Float64Array(LANES * 256)
  const starts = new Float64Array(32)
  return {
    /** At `at` stands an id. The one before, of the same process, stands before it. */
    count: (bytes: Buffer, at: number): void => {
      for (let lane = 0; lane < LANES; lane += 1) {
        const mask = lane === 0 ? 0x0f : 0xff
        const byte = (bytes[at + FIRST + lane] ?? 0) & mask
        own[lane * 256 + byte] = (own[lane * 256 + byte] ?? 0) + 1
        if (at === 0) continue
        const changed = byte ^ ((bytes[at + FIRST + lane - 16] ?? 0) & mask)
        against[lane * 256 + changed] = (against[lane * 256 + changed] ?? 0) + 1
      }
      // The count is entered at random below 2^13: these are its upper five bits of 13.
      if (at === 0 || bytes.readUIntBE(at, 6) !== bytes.readUIntBE(at - 16, 6)) {
        const start = (bytes.readUInt16BE(at + 6) & 0x07ff) >> 6
        starts[start] = (starts[start] ?? 0) + 1
      }
    },
    worst: (): Surprise => {
      const looks = [
        ...looksAt(own, 'byte'),
        ...looksAt(against, 'change of byte'),
        { what: 'starts of the count', sigmas: spread(starts) },
      ]
      return looks.reduce((worst, look) => {
        return Math.abs(look.sigmas) > Math.abs(worst.sigmas) ? look : worst
      })
    },
  }
}

function looksAt(counts: Float64Array, name: string): readonly Surprise[] {
  return Array.from({ length: LANES }, (_, lane) => {
    const cells = counts.subarray(lane * 256, lane * 256 + (lane === 0 ? 16 : 256))
    const what = `${name} ${lane + FIRST}`
    const bits = Array.from({ length: lane === 0 ? 4 : 8 }, (__, bit) => {
      return { what: `${what}, bit ${bit}`, sigmas: balance(cells, bit) }
    })
    return [{ what, sigmas: spread(cells) }, ...bits]
  }).flat()
}

/** How far from half of all have this bit, in standard deviations of a binomial. */
function balance(cells: Float64Array, bit: number): number {
  const all = total(cells)
  const set = total(cells.filter((_, value) => ((value >> bit) & 1) === 1))
  return (set - all / 2) / Math.sqrt(all / 4)
}

/** Chi-square of evenly filled cells, as a deviate of the normal distribution (Wilson-Hilferty). */
function spread(cells: Float64Array): number {
  const each = total(cells) / cells.length
  const square = cells.reduce((sum, cell) => sum + (cell - each) ** 2 / each, 0)
  const freedom = cells.length - 1
  const width = 2 / (9 * freedom)
  return (Math.cbrt(square / freedom) - (1 - width)) / Math.sqrt(width)
}

function total(cells: Float64Array): number {
  return cells.reduce((sum, cell) => sum + cell, 0)
}
