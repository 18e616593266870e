import assert from 'node:assert/strict'

/** The set-up of the run tells the tests its server in this variable. */
export const SERVER_VARIABLE = 'FARTHING_TEST_SERVER'
export const TEMPLATE = 'farthing_template'

export type TestServer = Readonly<{ url: string; superuserUrl: string }>

/** The PostgreSQL of this run of the tests. */
export function testServer(): TestServer {
  const text = process.env[SERVER_VARIABLE]
  assert(text, 'No PostgreSQL for tests: run `npm test`, or `npm test -- test/path.test.ts`')
  return JSON.parse(text) as TestServer
}
