import { auditAll } from '../audits.ts'
import { fillPeople } from '../books.ts'
import { startServer } from '../server.ts'
import { startWorld } from '../world.ts'
import { PEOPLE } from './site.ts'
import type { Site } from './site.ts'

const SERVERS = 2

/** `farthing serve` and the auth layer, on a PostgreSQL set up as `npm start` sets it up. */
export async function startOneMachine(): Promise<Site> {
  const world = await startWorld()
  try {
    const { pool, url } = world.house
    const people = await fillPeople(pool, PEOPLE)
    const server = await startServer({ url, dir: world.dir, servers: SERVERS })
    const { door, operators, pids } = server
    return {
      what: `${SERVERS} servers that share a port.`,
      command: 'npm run overload',
      page: 'overload-results.md',
      target: {
        doors: [door],
        servers: [`http://${door.host}:${door.port}`],
        operators: [operators],
        customers: await server.signIn(people),
        pids,
      },
      pool,
      audit: async (say) => await auditAll(world, say),
      stop: async () => {
        await server.stop()
        await world.stop()
      },
    }
  } catch (error) {
    await world.stop()
    throw error
  }
}
