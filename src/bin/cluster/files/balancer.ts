import { problems } from '../../../problems.ts'
import type { ErrorCode } from '../../../errors.ts'
import { type Place, ports } from '../places.ts'
import type { Deployment, File } from './deployment.ts'
import { fill } from './template.ts'

/** What one server is sent at once, of one kind. It takes more, and all of it is slower then. */
const PLACES = 16
/** So many may wait for places however little is served. */
const CROWD = 64
/** Of those who wait for their passwords to be checked. */
const SESSIONS_MAX = 256
/** Requests that wait for one server, where no crowd is expected. */
const LINE_MAX = 512

export function balancerFiles(place: Place, deployment: Deployment): readonly File[] {
  const { places, tls, paths, systemd } = deployment
  const { config, run } = paths(place)
  const text = fill('haproxy/haproxy.cfg', {
    ADDRESS: place.address,
    LOG: systemd ? 'log /dev/log local0 notice' : '',
    RUN_DIR: run,
    RUN_AS: systemd ? ['user haproxy', 'group haproxy'] : [],
    PROBLEMS_DIR: deployment.problems,
    EDGE_KEYS_DIR: deployment.edgeKeys,
    API_PORT: ports.api,
    AUTH_PORT: ports.auth,
    BACK_PORT: ports.back,
    OPS_PORT: ports.ops,
    PRIMARY_PORT: ports.primary,
    STANDBY_PORT: ports.standby,
    PATRONI_PORT: ports.patroni,
    BALANCER_CONNECTIONS: systemd ? 20_000 : 4_000,
    PLACES,
    CROWD,
    CROWD_TIMES_10: CROWD * 10,
    SESSIONS_MAX,
    LINE_MAX,
    FRONT_SCHEME: tls ? 'https' : 'http',
    FRONT_TLS: tls ? `ssl crt ${tls.front} alpn h2,http/1.1` : '',
    INSIDE_TLS: tls ? `ssl crt ${tls.pair}` : '',
    STRICT_TRANSPORT: tls
      ? 'http-response set-header Strict-Transport-Security "max-age=31536000; includeSubDomains"'
      : '',
    PATRONI_CHECK_TLS: tls ? `check-ssl verify required ca-file ${tls.ca}` : '',
    SERVERS: places.server.map(({ name, address }) => `server ${name} ${address}:${ports.api}`),
    SERVERS_AGAIN: places.server.map(({ name, address }) => {
      return `server ${name} ${address}:${ports.api} track writes/${name}`
    }),
    AUTHS: places.auth.map(({ name, address }) => `server ${name} ${address}:${ports.auth}`),
    DATABASES: places.postgres.map(
      ({ name, address }) => `server ${name} ${address}:${ports.postgres}`,
    ),
  })
  return [{ path: config, text }]
}

/** What a balancer says by itself, in the words of the API. By the status that it says it with. */
const said: readonly (readonly [ErrorCode, file: string, status: number])[] = [
  ['request_invalid', 'request_invalid', problems.request_invalid.status],
  ['request_timeout', 'request_timeout', problems.request_timeout.status],
  ['token_invalid', 'token_invalid', problems.token_invalid.status],
  ['overloaded', 'overloaded', problems.overloaded.status],
  ['stopping', 'no_server', problems.stopping.status],
  ['outcome_unknown', 'bad_answer', 502],
  ['outcome_unknown', 'no_answer', 504],
]

/** In HAProxy's format of log lines: a percent sign begins what it fills. */
export function problemFiles({ problems: folder }: Deployment): readonly File[] {
  return said.map(([code, file, status]) => {
    const { title, sentence } = problems[code]
    const type = `/docs/errors#${code}`
    const problem = { type, title, status, detail: title, code, errorMessage: sentence }
    const escaped = JSON.stringify(problem).replaceAll('%', '%%').slice(0, -1)
    const text = `${escaped},"requestId":"%[var(txn.request_id)]"}`
    return { path: `${folder}/${file}.json`, text }
  })
}
