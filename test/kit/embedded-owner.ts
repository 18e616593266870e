import { startEmbedded } from '../../src/db/embedded.ts'
import { StartRefused } from '../../src/errors.ts'

// Runs an embedded PostgreSQL in the directory of the first argument until it is killed, or whoever
// started it is gone. Prints one line of JSON: its address and process id, or why it was refused.
process.stdin.on('end', () => process.exit()).resume()
const [, , dir] = process.argv
if (dir === undefined) throw new Error('Give the data directory as the first argument')
try {
  const embedded = await startEmbedded({ dir })
  console.log(JSON.stringify({ url: embedded.url, pid: await embedded.pid() }))
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  console.log(JSON.stringify({ refused: error.message }))
  process.stdin.destroy()
}
