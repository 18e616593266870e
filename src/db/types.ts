import { types } from 'pg'
import type { CustomTypesConfig } from 'pg'
import { type Micros, parseTime } from '../time.ts'

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
 * `2026-01-02 03:04:05.678901+00`, to the microsecond.
 */
function readTime(text: string): Micros {
  const at = text.endsWith('+00') ? parseTime(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : null
  if (at === null) throw new Error(`The database sent a time outside of what is stored: ${text}`)
  return at
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
