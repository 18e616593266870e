import { readFileSync } from 'node:fs'
import { StartRefused } from '../errors.ts'
import { scopes as ourScopes, staffRoles } from '../scopes.ts'
import type { OutsideIssuer } from './issuers.ts'

/** Each with a pair of keys: with a shared secret, whoever verifies could also sign. */
const asymmetric = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']
/** What its owner, or somebody's administrator, can change: another person could come by it. */
const mutable = ['email', 'upn', 'preferred_username', 'unique_name', 'phone_number', 'name']
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const members = {
  both: ['kind', 'issuer', 'audience', 'jwksUri', 'algorithms', 'scopes', 'roles'],
  entra: ['tenantId'],
  oidc: ['typ', 'subjectClaims', 'scopesClaim', 'rolesClaim'],
} as const

export type IssuersFileParts = Readonly<{
  path: string
  /** Development may read keys from this machine without TLS. */
  development: boolean
  /** Our own `iss`. */
  own: string
}>

/**
 * Reads the outside issuers whose tokens count. Nothing is looked up and nothing has a default:
 * what the file does not say is not so. docs/auth.md has it member by member.
 *
 * @throws StartRefused naming every problem at once.
 */
export function readIssuersFile(parts: IssuersFileParts): readonly OutsideIssuer[] {
  const { path } = parts
  const listed = parse(path)
  const problems: string[] = []
  const issuers = listed.flatMap((value, place) => {
    const found: string[] = []
    const issuer = readIssuer(value, parts, found)
    problems.push(...found.map((problem) => `issuer ${place + 1}: ${problem}`))
    return issuer && found.length === 0 ? [issuer] : []
  })
  const names = [parts.own, ...issuers.map(({ issuer }) => issuer)]
  const twice = names.filter((name, place) => names.indexOf(name) < place)
  problems.push(...twice.map((name) => `${name} is there twice, or is our own`))
  if (problems.length > 0) {
    throw new StartRefused(`The issuers in ${path} are not right: ${problems.join('; ')}.`)
  }
  return issuers
}

function parse(path: string): readonly unknown[] {
  let file: unknown
  try {
    file = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new StartRefused(`The issuers in ${path} cannot be read as JSON.`, { cause })
  }
  const listed = isObject(file) ? file['issuers'] : undefined
  if (!isObject(file) || !Array.isArray(listed) || Object.keys(file).length > 1) {
    throw new StartRefused(`${path} must be {"issuers": [...]} and nothing else.`)
  }
  return listed
}

function readIssuer(
  value: unknown,
  parts: IssuersFileParts,
  problems: string[],
): OutsideIssuer | null {
  const kind = isObject(value) ? value['kind'] : null
  if (!isObject(value) || (kind !== 'entra' && kind !== 'oidc')) {
    problems.push('kind must be entra or oidc')
    return null
  }
  const known: readonly string[] = [...members.both, ...members[kind]]
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) problems.push(`there is no member ${name} in kind ${kind}`)
  }
  const read = readerOf(value, problems)
  const both = {
    issuer: read.text('issuer', (text) => isAddress(text, parts), 'an address with https://'),
    audience: read.text('audience', () => true, 'a text'),
    jwksUri: new URL(
      read.text('jwksUri', (text) => isAddress(text, parts), 'an address with https://') ||
        'https://nowhere.invalid',
    ),
    algorithms: read.list('algorithms', (name) => asymmetric.includes(name), asymmetric.join(', ')),
    scopes: read.names('scopes', ourScopes),
    roles: read.names('roles', staffRoles),
  }
  return kind === 'entra'
    ? { ...both, ...readEntra(read, both.issuer) }
    : { ...both, ...readOidc(read) }
}

function readEntra(read: ReturnType<typeof readerOf>, issuer: string) {
  const isTenant = (text: string) => guid.test(text) && issuer.endsWith(`/${text}/v2.0`)
  const tenantId = read.text('tenantId', isTenant, 'the GUID before /v2.0 at the end of issuer')
  return { kind: 'entra', tenantId } as const
}

function isLasting(claim: string): boolean {
  return !mutable.includes(claim)
}

function readOidc(read: ReturnType<typeof readerOf>) {
  return {
    kind: 'oidc',
    typ: read.text('typ', (text) => text === 'at+jwt' || text === 'JWT', 'at+jwt or JWT') as
      'at+jwt' | 'JWT',
    subjectClaims: read.list('subjectClaims', isLasting, 'claims that never change'),
    scopesClaim: read.text('scopesClaim', () => true, 'a text'),
    rolesClaim: read.textOrNull('rolesClaim'),
  } as const
}

/** Reads members. What is wrong with one is noted, and reading goes on. */
function readerOf(value: Readonly<Record<string, unknown>>, problems: string[]) {
  const text = (name: string, isRight: (text: string) => boolean, what: string): string => {
    const found = value[name]
    if (typeof found === 'string' && found !== '' && isRight(found)) return found
    problems.push(`${name} must be ${what}`)
    return ''
  }
  return {
    text,
    textOrNull: (name: string): string | null =>
      value[name] === null ? null : text(name, () => true, 'a text or null'),
    list: (name: string, isRight: (text: string) => boolean, what: string): readonly string[] => {
      const found = value[name]
      const texts = Array.isArray(found) ? found : []
      const right = texts.every((one) => typeof one === 'string' && one !== '' && isRight(one))
      if (right && texts.length > 0) return texts as readonly string[]
      problems.push(`${name} must list one or more of: ${what}`)
      return []
    },
    names: <T extends string>(name: string, ours: readonly T[]): ReadonlyMap<string, T> => {
      const found = value[name]
      const pairs = isObject(found) ? Object.entries(found) : []
      const right = pairs.every(([theirs, one]) => theirs !== '' && ours.includes(one as T))
      if (isObject(found) && right) return new Map(pairs as [string, T][])
      problems.push(`${name} must lead from their names to ${ours.join(', ')}`)
      return new Map()
    },
  }
}

function isAddress(text: string, { development }: IssuersFileParts): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, hash } = new URL(text)
  if (username !== '' || hash !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && development && hostname === 'localhost')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
