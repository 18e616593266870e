import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'

/** No request of this API comes near it. */
export const BODY_MAX_BYTES = 16 * 1024

/** Arrays and objects within each other; deeper texts are refused unparsed. */
const NESTING_MAX = 16

/** Takes `application/json` in UTF-8 and nothing else: whatever is no such body is refused here. */
export function registerBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: BODY_MAX_BYTES },
    (request, body, done) => {
      try {
        requireUtf8Charset(request.headers['content-type'] ?? '')
        done(null, body.length === 0 ? undefined : parseBody(body as Buffer))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

const charset = /;\s*charset\s*=\s*"?([^";\s]*)"?/gi

/** JSON is UTF-8 (RFC 8259 section 8.1): who announces another charset sends something else. */
function requireUtf8Charset(contentType: string): void {
  if (contentType.length === 'application/json'.length) return
  for (const [, name = ''] of contentType.matchAll(charset)) {
    if (name.toLowerCase() !== 'utf-8')
      throw new AppError('media_type_unsupported', { charset: name })
  }
}

/**
 * Reads a JSON text. A number under the name `amount` comes as the text it was written in, so that
 * money can be read from it exactly: as a float, 0.1 would no longer be what the caller wrote.
 *
 * @throws AppError `json_invalid`, also for what JSON allows and we do not: a member given twice
 * at the top, `__proto__`, NUL and half a surrogate pair (PostgreSQL can store neither).
 */
export function parseBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw invalid('the text is not UTF-8')
  const text = bytes.toString('utf8')
  const { members, amountAt, nested } = scan(text)
  const plain = !nested && !unplain.test(text)
  const value = plain ? parsePlain(text, amountAt) : parseText(text)
  if (isObject(value) && Object.keys(value).length !== members) {
    throw invalid('a member is given twice')
  }
  return value
}

/** Where there is none of these, texts are what they seem, and names are those that stand there. */
const unplain = /\\|__proto__|constructor/
/** A number of JSON, from `lastIndex` on. */
const number = /[ \t\r\n]*(-?\d[\d.eE+-]*)/y

/** What nearly every body is. To look at each member, as `revive` does, takes five times longer. */
function parsePlain(text: string, amountAt: number): unknown {
  const value = parseJson(text, JSON.parse)
  if (!isObject(value) || !('amount' in value) || typeof value.amount !== 'number') return value
  number.lastIndex = amountAt
  const [, source] = amountAt < 0 ? [] : (number.exec(text) ?? [])
  return source === undefined ? parseText(text) : { ...value, amount: source }
}

function parseText(text: string): unknown {
  return parseJson(text, (json) => parseWithSource(json, revive))
}

function parseJson(text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid('the text is not JSON')
    throw error
  }
}

/** `source` is what a primitive was written as. TypeScript does not know this argument yet. */
type Reviver = (name: string, value: unknown, context: { source?: string }) => unknown
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown

const revive: Reviver = (name, value, { source }) => {
  if (name === '__proto__' || name === 'constructor') throw invalid(`a member is named ${name}`)
  if (typeof value === 'number' && name === 'amount') return source
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) {
    throw invalid('a text holds NUL or half a surrogate pair')
  }
  return value
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

const AMOUNT = '"amount"'

type Scan = Readonly<{
  members: number
  /** Behind the colon of a member that is written `"amount":`; -1 without one. */
  amountAt: number
  nested: boolean
}>

/**
 * Counts the members of the outermost object, which are the colons right within it, and refuses
 * deep nesting on the way. Says nothing of use about a text that is no JSON.
 */
function scan(text: string): Scan {
  let members = 0
  let amountAt = -1
  let depth = 0
  let nested = false
  let inString = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at += 1
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === COLON && depth === 1) {
      members += 1
      if (text.startsWith(AMOUNT, at - AMOUNT.length)) amountAt = at + 1
    } else depth += nesting(code)
    if (depth > 1) nested = true
    if (depth > NESTING_MAX) throw invalid(`nested deeper than ${NESTING_MAX}`)
  }
  return { members, amountAt, nested }
}

/** Braces and brackets differ in one bit: `[` 0x5b and `{` 0x7b, `]` 0x5d and `}` 0x7d. */
function nesting(code: number): number {
  const bracket = code & ~0x20
  if (bracket === 0x5b) return 1
  return bracket === 0x5d ? -1 : 0
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string): AppError {
  return new AppError('json_invalid', { why })
}
