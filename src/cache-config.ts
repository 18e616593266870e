import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Reader } from './settings.ts'

export type CacheConfig = Readonly<{
  /** Null: no copies are kept, and the database answers every read. */
  redis: Readonly<{
    url: string
    sentinels: readonly string[]
    sentinelPassword: string | null
    ca: string | null
  }> | null
}>

const hostAndPort = /^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/

/** With REDIS_SENTINELS, the host in REDIS_URL is the name that they know the master by. */
export function readCache(read: Reader, problems: string[]): CacheConfig {
  const url = read.url('REDIS_URL', ['redis:', 'rediss:'])
  const sentinels = (read.text('REDIS_SENTINELS') ?? '').split(',').flatMap((one) => {
    return one.trim() === '' ? [] : one.trim()
  })
  const sentinelPassword = read.text('REDIS_SENTINEL_PASSWORD')
  for (const one of sentinels) {
    if (!hostAndPort.test(one)) problems.push(`REDIS_SENTINELS must be host:port, not "${one}"`)
  }
  if (url === null && sentinels.length > 0) {
    problems.push('REDIS_SENTINELS needs REDIS_URL, whose host is the name of the master')
  }
  const ca = readCa(read.text('REDIS_CA_FILE'), url, problems)
  return { redis: url === null ? null : { url, sentinels, sentinelPassword, ca } }
}

function readCa(path: string | null, url: string | null, problems: string[]): string | null {
  if (path === null) return null
  if (!url?.startsWith('rediss:')) {
    problems.push('REDIS_CA_FILE needs a REDIS_URL that begins with rediss:')
    return null
  }
  try {
    const ca = readFileSync(resolve(path), 'utf8')
    if (ca.includes('-----BEGIN CERTIFICATE-----')) return ca
    problems.push(`REDIS_CA_FILE ${path} holds no certificate as PEM`)
  } catch (error) {
    problems.push(`REDIS_CA_FILE ${path} cannot be read: ${String(error)}`)
  }
  return null
}
