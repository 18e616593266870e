import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findAccount } from '../../../src/auth/directories/ldap/accounts.ts'
import type { Connection } from '../../../src/auth/directories/ldap/connection.ts'
import { readAccount } from '../../../src/auth/directories/ldap/store.ts'
import type { ActiveDirectoryConfig } from '../../../src/auth-config.ts'
import { ask, userOf } from '../../chaos/kit/caller.ts'
import type { Answer } from '../../chaos/kit/caller.ts'
import { createFarthing } from '../../chaos/kit/farthing.ts'
import type { Farthing } from '../../chaos/kit/farthing.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { startDomain } from '../../kit/domain/domain.ts'
import type { TestDomain } from '../../kit/domain/domain.ts'
import { ownPort } from '../../kit/port.ts'
import { until } from '../../kit/until.ts'
import { openApp } from './app.ts'
import type { App } from './app.ts'
import type { Customer } from './provider.ts'

/** Whom `farthing start` makes, with money. */
export const demo = { alice: 'alice@example.com', bob: 'bob@example.com' } as const
export const demoPassword = 'copper kettle on the hob'

export type Session = Readonly<{ accessToken: string; refreshToken: string; userId: string }>

/** `farthing start` as a process, whose directory is a domain of its own. */
export type DomainHouse = Readonly<{
  domain: TestDomain
  database: FreshDatabase
  service: Farthing
  issuer: string
  web: App
  /** What a command of the same installation needs to know. */
  settings: Readonly<Record<string, string>>
  /** Does something in the domain as who may do everything. */
  asAdmin: <T>(work: (admin: Connection) => Promise<T>) => Promise<T>
  post: <T>(path: string, body: object, more?: Asking) => Promise<Answer<T>>
  signIn: (login: string, password: string) => Promise<Session>
  refresh: (session: Session) => Promise<Session>
  /** Somebody new, who has signed up at the API. */
  customer: () => Promise<Customer>
  dnOf: (name: string) => Promise<string>
  addMember: (group: string, name: string) => Promise<void>
  close: () => Promise<void>
}>

type Asking = Readonly<{ token?: string; key?: string }>

export async function openDomainHouse(): Promise<DomainHouse> {
  const dataDir = await mkdtemp(join(tmpdir(), 'farthing-domain-house-'))
  const [database, domain, authPort] = await Promise.all([
    freshDatabase(),
    startDomain(),
    ownPort(),
  ])
  const shared = { DATABASE_URL: database.url, DATA_DIR: dataDir, AUTH_PORT: String(authPort) }
  const service = await createFarthing({ ...shared, ...settingsOf(domain.config) })
  service.start()
  await service.ready()
  await until('the demo users are there', () => /\n {2}bob .*user_/.test(service.output()))
  const issuer = `http://localhost:${authPort}`
  const { port, origin: api } = new URL(service.api)

  async function asAdmin<T>(work: (admin: Connection) => Promise<T>): Promise<T> {
    const admin = await domain.administrator()
    try {
      return await work(admin)
    } finally {
      admin.close()
    }
  }

  const post = async <T>(path: string, body: object, more: Asking = {}): Promise<Answer<T>> =>
    await ask<T>(api, { method: 'POST', path, body, ...more })

  async function session(path: string, body: object): Promise<Session> {
    const answer = await post<Session>(path, body)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body
  }

  async function dnOf(name: string): Promise<string> {
    const row = (await readAccount(database.pool, userOf(name))) ?? assert.fail('no account')
    const account = await asAdmin(async (admin) => {
      return await findAccount(admin, domain.config, row.guid)
    })
    return account?.dn ?? assert.fail('the account is there')
  }

  return {
    domain,
    database,
    service,
    issuer,
    web: await openApp({ issuer, webUrl: `http://localhost:${port}` }),
    settings: { ...shared, PORT: port },
    asAdmin,
    post,
    signIn: async (login, password) => await session('/v1/session', { login, password }),
    refresh: async ({ refreshToken }) => await session('/v1/session/refresh', { refreshToken }),
    customer: async () => {
      const asked = newcomer()
      const { status, body } = await post<{ userId: string }>('/v1/user', asked)
      assert.equal(status, 201, JSON.stringify(body))
      return { id: body.userId, ...asked }
    },
    dnOf,
    addMember: async (group, name) => {
      const dn = await dnOf(name)
      await asAdmin(async (admin) => {
        const entry = await admin.read(group, { attributes: ['member'], binary: [] })
        const before = [entry?.['member'] ?? []].flat().map(String)
        await admin.replace(group, { member: [...before, dn] })
      })
    },
    close: async () => {
      await service.sigkill()
      await domain.remove()
      await database.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** What somebody signs up with. */
export function newcomer() {
  const digits = String(randomInt(10 ** 9)).padStart(9, '0')
  return {
    email: `d${digits}@example.com`,
    phoneNumber: `+1415${randomInt(2_000_000, 9_999_999)}`,
    password: `nine quiet otters ${digits}`,
  }
}

function settingsOf(config: ActiveDirectoryConfig): Readonly<Record<string, string>> {
  return {
    AUTH_DIRECTORY: 'ad',
    AD_URL: config.urls.join(' '),
    AD_CA_FILE: config.caFile ?? '',
    AD_REALM: config.realm,
    AD_CUSTOMERS_DN: config.customersDn,
    AD_BIND_NAME: config.bindName,
    AD_BIND_PASSWORD: config.bindPassword,
    AD_SUPPORT_GROUP_DN: config.supportGroupDn ?? '',
    AD_OPERATOR_GROUP_DN: config.operatorGroupDn ?? '',
  }
}
