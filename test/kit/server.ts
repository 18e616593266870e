import assert from 'node:assert/strict'

/** The set-up of the run tells the tests its server in this variable. */
export const SERVER_VARIABLE = 'FARTHING_TEST_SERVER'

export type TestServer = Readonly<{
  url: string
  superuserUrl: string
  /** A migrated database to copy from. */
  template: string
  /** The superuser's addresses of the nodes of a Citus cluster; of one PostgreSQL, its own. */
  nodes: readonly string[]
}>

/** The PostgreSQL, or the Citus, of this run of the tests. */
export function testServer(): TestServer {
  const text = process.env[SERVER_VARIABLE]
  assert(text, 'No PostgreSQL for tests: run `npm test`, or `npm test -- test/path.test.ts`')
  return JSON.parse(text) as TestServer
}

/** Whether this run of the tests is against a Citus cluster. */
export function onCitus(): boolean {
  return testServer().nodes.length > 1
}
