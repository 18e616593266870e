import { types } from 'pg'
import type { CustomTypesConfig } from 'pg'
import { MILLISECOND } from '../time.ts'
import type { Micros } from '../time.ts'

const SPACE = 32
/**
 * Date.UTC takes years below 100 for those of the 20th century. The calendar repeats, so: shift.
 */
const CYCLE_YEARS = 400
const CYCLE_MS = 146_097 * 86_400_000

const oid = {
  int8: 20,
  int8Array: 1016,
  textArray: 1009,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  timestamptzArray: 1185,
}

/**
 * Reads a timestamptz as a session with DateStyle ISO and TimeZone UTC prints it,
 * `2026-01-02 03:04:05.678901+00`, to the microsecond. By position, because a batch reads a
 * thousand.
 */
function readTime(text: string): Micros {
  if (!text.endsWith('+00') || text.charCodeAt(10) !== SPACE) {
    throw new Error(`The database sent a time outside of what is stored: ${text}`)
  }
  const number = (from: number, to: number) => Number(text.slice(from, to))
  const shifted = Date.UTC(
    number(0, 4) + CYCLE_YEARS,
    number(5, 7) - 1,
    number(8, 10),
    number(11, 13),
    number(14, 16),
    number(17, 19),
  )
  // The server leaves trailing zeros of the fraction out, and the point with the last of them.
  const fraction = text.slice(20, -3).padEnd(6, '0')
  return (BigInt(shifted - CYCLE_MS) * MILLISECOND + BigInt(fraction)) as Micros
}

type Reader<T> = (text: string) => T

const readerOf = types.getTypeParser as (oid: number) => Reader<(string | null)[]>

/** The driver's reader of text arrays leaves the elements as they are. */
const readTexts = readerOf(oid.textArray)

function readArray<T>(readElement: Reader<T>): Reader<(T | null)[]> {
  return (text) =>
    readTexts(text).map((element) => (element === null ? null : readElement(element)))
}

const asText: Reader<string> = (text) => text

const readers: ReadonlyMap<number, Reader<unknown>> = new Map<number, Reader<unknown>>([
  [oid.int8, BigInt],
  [oid.timestamptz, readTime],
  // Without a zone neither is a moment in time, and the driver would guess one.
  [oid.date, asText],
  [oid.timestamp, asText],
  [oid.int8Array, readArray(BigInt)],
  [oid.timestamptzArray, readArray(readTime)],
])

/** How column values become values here: see `Queryable`. */
export const columnTypes: CustomTypesConfig = {
  getTypeParser: (id, format) => readers.get(id) ?? types.getTypeParser(id, format),
}
