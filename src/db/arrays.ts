import type { Micros } from '../time.ts'

/**
 * Array parameters for set-based statements, in PostgreSQL's binary form. A batch of 500 payments
 * has some 20,000 elements: as text each would be printed here and parsed there, and this halves
 * what a batch costs both sides. `null` stands for SQL's NULL.
 *
 * @see PostgreSQL source, array_recv: dimensions, a flag for nulls, the type of the elements, then
 * length and lower bound of the dimension, then each element with its size in front.
 */
type Element = Readonly<{ oid: number; bytes: number }>

const types = {
  boolean: { oid: 16, bytes: 1 },
  bigint: { oid: 20, bytes: 8 },
  smallint: { oid: 21, bytes: 2 },
  text: { oid: 25, bytes: 0 },
  timestamptz: { oid: 1184, bytes: 8 },
  uuid: { oid: 2950, bytes: 16 },
} as const satisfies Record<string, Element>

const HEADER_BYTES = 20
/** No elements, no dimension: its length and lower bound are left out. */
const EMPTY_BYTES = 12
const SIZE_BYTES = 4
const NULL_SIZE = -1
/** The canonical text: 32 digits and four hyphens. */
const UUID_LENGTH = 36
/** PostgreSQL counts its microseconds from 2000-01-01. */
const POSTGRES_EPOCH = 946_684_800_000_000n

export function uuidArray(values: readonly (string | null)[]): Buffer {
  return fixedArray(types.uuid, values, (target, value, at) => {
    // Behind the last element the buffer ends, and would cut what is too long without a word.
    const hex = value.length === UUID_LENGTH ? value.replaceAll('-', '') : ''
    const written = target.write(hex, at, 'hex')
    if (written !== types.uuid.bytes) throw new TypeError(`not a uuid: ${value}`)
  })
}

export function bigintArray(values: readonly (bigint | null)[]): Buffer {
  return fixedArray(types.bigint, values, (target, value, at) => target.writeBigInt64BE(value, at))
}

export function smallintArray(values: readonly (number | null)[]): Buffer {
  return fixedArray(types.smallint, values, (target, value, at) => target.writeInt16BE(value, at))
}

export function booleanArray(values: readonly (boolean | null)[]): Buffer {
  return fixedArray(types.boolean, values, (target, value, at) => target.writeUInt8(+value, at))
}

export function timeArray(values: readonly (Micros | null)[]): Buffer {
  return fixedArray(types.timestamptz, values, (target, value, at) =>
    target.writeBigInt64BE(value - POSTGRES_EPOCH, at),
  )
}

export function textArray(values: readonly (string | null)[]): Buffer {
  if (values.length === 0) return emptyArray(types.text)
  const sizes = values.map((value) => (value === null ? NULL_SIZE : Buffer.byteLength(value)))
  const body = sizes.reduce((sum, size) => sum + SIZE_BYTES + Math.max(size, 0), 0)
  const target = Buffer.allocUnsafe(HEADER_BYTES + body)
  writeHeader(target, types.text, values)
  let at = HEADER_BYTES
  for (const [index, value] of values.entries()) {
    at = target.writeInt32BE(sizes[index] ?? NULL_SIZE, at)
    if (value !== null) at += target.write(value, at)
  }
  return target
}

function fixedArray<T>(
  element: Element,
  values: readonly (T | null)[],
  write: (target: Buffer, value: T, at: number) => void,
): Buffer {
  if (values.length === 0) return emptyArray(element)
  const nulls = values.reduce((count, value) => count + Number(value === null), 0)
  const body = values.length * SIZE_BYTES + (values.length - nulls) * element.bytes
  const target = Buffer.allocUnsafe(HEADER_BYTES + body)
  writeHeader(target, element, values)
  let at = HEADER_BYTES
  for (const value of values) {
    at = target.writeInt32BE(value === null ? NULL_SIZE : element.bytes, at)
    if (value === null) continue
    write(target, value, at)
    at += element.bytes
  }
  return target
}

function emptyArray(element: Element): Buffer {
  const target = Buffer.alloc(EMPTY_BYTES)
  target.writeInt32BE(element.oid, 8)
  return target
}

function writeHeader(target: Buffer, element: Element, values: readonly unknown[]): void {
  target.writeInt32BE(1, 0)
  target.writeInt32BE(Number(values.includes(null)), 4)
  target.writeInt32BE(element.oid, 8)
  target.writeInt32BE(values.length, 12)
  target.writeInt32BE(1, 16)
}
