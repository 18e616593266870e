import { endMember } from './member.ts'
import { server } from './server.ts'
import { worker } from './worker.ts'

// What `farthing start` runs beside itself begins here: `main.ts server 2`, `main.ts worker`.
// However whoever started it has ended, it ends at once: the next start finds nobody in its way.
process.once('disconnect', () => process.exit(1))

const [role, number = '1'] = process.argv.slice(2)
await endMember(async () => (role === 'server' ? await server(Number(number)) : await worker()))
