import { type Place, ports } from '../places.ts'
import type { Deployment, File } from './deployment.ts'
import { fill } from './template.ts'

/** Settings that differ by what a process does, or by what the whole is for. */
export type Purpose = Readonly<{
  environment: 'development' | 'production'
  keysFile: string
  more: Readonly<Record<string, string>>
}>

export function environmentFiles(
  place: Place,
  deployment: Deployment,
  purpose: Purpose,
): readonly File[] {
  const { places, tls, secrets, publicUrl, authUrl } = deployment
  const balancers = nearestFirst(place, places.balancer)
  const hosts = balancers.map(({ address }) => address)
  const user = `farthing:${secrets.farthing}`
  const checked = tls ? `?sslmode=verify-ca&sslrootcert=${tls.ca}&uselibpqcompat=true` : ''
  const text = fill('farthing/farthing.env', {
    ...quoteAll({
      ENVIRONMENT: purpose.environment,
      ADDRESS: place.address,
      API_PORT: ports.api,
      OPS_PORT: place.kind === 'worker' ? ports.workerOps : ports.ops,
      AUTH_PORT: ports.auth,
      PUBLIC_URL: publicUrl,
      AUTH_URL: authUrl,
      AUTH_BACK_URL: hosts
        .map((host) => `${tls ? 'https' : 'http'}://${host}:${ports.back}`)
        .join(','),
      TRUSTED_PROXIES: places.balancer.map(({ address }) => address).join(','),
      DATABASE_URL: `postgres://${user}@${hosts.join(',')}:${ports.primary}/farthing${checked}`,
      KEYS_FILE: purpose.keysFile,
      // The host is the name that Sentinels know the master by.
      REDIS_URL: `${tls ? 'rediss' : 'redis'}://:${secrets.redis}@farthing/0`,
      REDIS_SENTINELS: places.sentinel.map((one) => `${one.address}:${ports.sentinel}`).join(','),
      REDIS_SENTINEL_PASSWORD: secrets.sentinel,
    }),
    MORE: Object.entries(quoteAll(purpose.more)).map(([name, value]) => `${name}=${value}`),
  })
  return [{ path: deployment.paths(place).config, text }]
}

/** Each balancer is the first for its share of the servers. */
function nearestFirst(place: Place, balancers: readonly Place[]): readonly Place[] {
  const turn = Number(/\d+$/.exec(place.name)?.[0] ?? 1) - 1
  const first = turn % balancers.length
  return [...balancers.slice(first), ...balancers.slice(0, first)]
}

/** In quotes that systemd's EnvironmentFile, `sh` and parseEnvironment take for the same. */
function quoted(value: string): string {
  if (/^[\w.:/@,+=-]*$/.test(value)) return value
  return `"${value.replaceAll(/["$\\`]/g, '\\$&')}"`
}

function quoteAll(values: Readonly<Record<string, string | number>>) {
  const entries = Object.entries(values)
  return Object.fromEntries(entries.map(([name, value]) => [name, quoted(String(value))]))
}

/** What such a file says, as its reader would take it. */
export function parseEnvironment(text: string): Readonly<Record<string, string>> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const equals = line.indexOf('=')
      return [line.slice(0, equals), unquoted(line.slice(equals + 1))]
    }),
  )
}

function unquoted(value: string): string {
  const { inside } = /^"(?<inside>.*)"$/.exec(value)?.groups ?? {}
  return inside === undefined ? value : inside.replaceAll(/\\(["$\\`])/g, '$1')
}
